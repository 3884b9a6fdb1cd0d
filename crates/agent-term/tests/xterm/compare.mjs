// Tells whether two clients agree: one that saw everything, and one that came later and got a redraw.
//
// Usage: node compare.mjs DIRECTORY, where DIRECTORY/node_modules has @xterm/headless.
// Input, one JSON object a line: first {"widths": [[first, last, columns], …]}, then the cases:
//   {"name", "scrollback", "size": [rows, cols], "seen": [HEX | [rows, cols], …], "before": HEX,
//    "redraw": HEX, "live": HEX}
// The witness gets `seen`, then `live`; the newcomer `before`, `redraw`, then `live`. They have to agree after
// the redraw and again after `live`. Output: a line {"name", "differences": […]} for each case.

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const { Terminal } = createRequire(`${process.argv[2]}/`)('@xterm/headless');

const HAS_EXTENDED = 0x10000000;
const UNDERLINE = 0x10000000;
let widths = [];

/** Widths as in the emulator, so that only what is made of them is compared. */
const provider = {
  version: 'emulator',
  wcwidth(code) {
    let low = 0, high = widths.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const [first, last, columns] = widths[middle];
      if (code < first) high = middle - 1;
      else if (code > last) low = middle + 1;
      else return columns;
    }
    return 1;
  },
  charProperties(code, preceding) {
    let width = this.wcwidth(code);
    let joins = width === 0 && preceding !== 0;
    if (joins) {
      const old = (preceding >> 1) & 3;
      if (old === 0) joins = false;
      else if (old > width) width = old;
    }
    return ((width & 3) << 1) | (joins ? 1 : 0);
  },
};

/** A color with its flags, without what xterm.js leaves in the unused bits of a palette color. */
function color(attribute) {
  const kind = (attribute >>> 24) & 3;
  const value = kind === 0 ? 0 : kind === 3 ? 0xffffff : 0xff;
  return (attribute & (0xff000000 | value)) >>> 0;
}

class Client {
  constructor([rows, cols], scrollback) {
    this.terminal = new Terminal({ rows, cols, scrollback, allowProposedApi: true, logLevel: 'off' });
    this.terminal.unicode.register(provider);
    this.terminal.unicode.activeVersion = 'emulator';
    this.core = this.terminal._core;
    // xterm.js forgets links whose first line is gone, though cells still show them.
    this.links = new Map();
    const service = this.core._oscLinkService;
    const register = service.registerLink.bind(service);
    service.registerLink = (data) => {
      const number = register(data);
      this.links.set(number, data);
      return number;
    };
    this.title = '';
    this.terminal.onTitleChange((title) => { this.title = [...title].slice(0, 256).join(''); });
    this.colors = new Map();
    this.core._inputHandler.onColor((events) => {
      for (const { type, index, color } of events) {
        if (type === 1) this.colors.set(index, String(color));
        if (type === 2 && index === undefined) [...this.colors.keys()].filter((key) => key < 256).forEach((key) => this.colors.delete(key));
        if (type === 2) this.colors.delete(index);
      }
    });
  }

  write(hex) {
    this.core.writeSync(Buffer.from(hex, 'hex'));
  }

  answers(hex) {
    const answers = [];
    const listener = this.terminal.onData((data) => answers.push(data));
    this.write(hex);
    listener.dispose();
    return answers;
  }

  cell(line, x) {
    const at = x * 3;
    const [content, fg, bg] = [line._data[at], line._data[at + 1], line._data[at + 2]];
    const text = content & 0x200000 ? line._combined[x] : String.fromCodePoint(content & 0x1fffff);
    const extended = bg & HAS_EXTENDED ? line._extendedAttrs[x] : undefined;
    const link = extended && this.links.get(extended.urlId);
    const style = extended && fg & UNDERLINE ? [color(extended._ext)] : [];
    return JSON.stringify([text, content >>> 22, color(fg), color(bg & ~HAS_EXTENDED), ...style, link]);
  }

  line(buffer, y) {
    const line = buffer.lines.get(y);
    const wrapped = y > 0 && line.isWrapped ? ' wrapped' : '';
    const cells = [];
    let last = '', count = 0;
    for (let x = 0; x < line.length; x++) {
      const cell = this.cell(line, x);
      if (cell === last) { count++; continue; }
      if (count) cells.push(count > 1 ? `${last}*${count}` : last);
      [last, count] = [cell, 1];
    }
    cells.push(count > 1 ? `${last}*${count}` : last);
    return cells.join(' ') + wrapped;
  }

  /** Everything there is, as named texts. */
  state(depth) {
    const state = new Map();
    const { buffers } = this.core;
    const mainSaved = buffers.normal;
    for (const [name, buffer] of [['main', buffers.normal], ['alternate', buffers.alt]]) {
      if (name === 'alternate' && buffers.active !== buffer) continue;
      const length = buffer.lines.length;
      const first = Math.max(0, length - depth - this.terminal.rows);
      for (let y = first; y < length; y++) state.set(`${name} line ${y - length}`, this.line(buffer, y));
      state.set(`${name} length`, length - first);
      state.set(`${name} region`, `${buffer.scrollTop} ${buffer.scrollBottom}`);
      state.set(`${name} tabs`, Object.keys(buffer.tabs).filter((x) => buffer.tabs[x] && x < this.terminal.cols).join());
      const y = Math.min(Math.max(buffer.savedY - buffer.ybase, 0), this.terminal.rows - 1);
      const { fg, bg } = buffer.savedCurAttrData;
      const charset = JSON.stringify(buffer.savedCharset);
      state.set(`${name} saved`, `${Math.min(buffer.savedX, this.terminal.cols - 1)} ${y} ${color(fg)} ${color(bg & ~HAS_EXTENDED)} ${charset}`);
    }
    const { active } = buffers;
    state.set('active', active === buffers.alt ? 'alternate' : 'main');
    state.set('cursor', `${active.x} ${active.y}`);
    const pen = this.core._inputHandler._curAttrData;
    const link = pen.bg & HAS_EXTENDED && pen.extended.urlId ? JSON.stringify(this.links.get(pen.extended.urlId)) : '';
    state.set('pen', `${color(pen.fg)} ${color(pen.bg & ~HAS_EXTENDED)} ${pen.fg & UNDERLINE ? color(pen.extended._ext) : ''} ${link}`);
    state.set('modes', JSON.stringify(this.terminal.modes));
    state.set('private', JSON.stringify(this.core.coreService.decPrivateModes));
    state.set('hidden', this.core.coreService.isCursorHidden);
    state.set('encoding', this.core.coreMouseService.activeEncoding);
    state.set('options', `${this.terminal.options.convertEol} ${this.terminal.options.cursorBlink}`);
    const { charset, glevel, _charsets } = this.core._charsetService;
    const sets = [0, 1, 2, 3].map((level) => JSON.stringify(_charsets[level]));
    state.set('charsets', `${JSON.stringify(charset)} ${glevel} ${sets}`);
    state.set('title', this.title);
    state.set('colors', JSON.stringify([...this.colors].sort()));
    const parser = this.core._inputHandler._parser;
    state.set('parser', parser.currentState);
    return state;
  }
}

function differences(witness, newcomer, depth, when) {
  const [expected, actual] = [witness.state(depth), newcomer.state(depth)];
  const found = [];
  for (const [key, value] of expected) {
    if (actual.get(key) !== value) found.push(`${when}: ${key}: ${actual.get(key)} instead of ${value}`);
  }
  for (const key of actual.keys()) if (!expected.has(key)) found.push(`${when}: ${key} is too much`);
  return found;
}

function compare({ scrollback, size, seen, before, redraw, live }) {
  const [first, ...rest] = seen;
  const witness = new Client(first, scrollback);
  for (const step of rest) {
    if (typeof step === 'string') witness.write(step);
    else witness.terminal.resize(step[1], step[0]);
  }
  const newcomer = new Client(size, scrollback);
  newcomer.write(before);
  const answers = newcomer.answers(redraw);
  const found = answers.map((answer) => `the redraw was answered: ${JSON.stringify(answer)}`);
  // Lines that only one of them has because of their limits are not compared.
  const depth = Math.max(0, Math.min(witness.core.buffers.normal.ybase, scrollback));
  found.push(...differences(witness, newcomer, depth, 'redraw'));
  if (found.length === 0 && live !== '') {
    witness.write(live);
    newcomer.write(live);
    found.push(...differences(witness, newcomer, depth, 'live'));
  }
  return found;
}

for await (const line of createInterface({ input: process.stdin })) {
  const input = JSON.parse(line);
  if (input.widths) {
    widths = input.widths;
    continue;
  }
  let found;
  try {
    found = compare(input);
  } catch (error) {
    found = [`${error.stack}`];
  }
  console.log(JSON.stringify({ name: input.name, differences: found.slice(0, 6) }));
}
