"""What a program with asyncssh does with a workspace; each theme is a function, run by its name.

Usage: asyncssh_client.py PORT KEY DIRECTORY THEME
"""

import asyncio
import os
import stat
import sys

import asyncssh

LIMIT = 60


async def commands(connection, _directory):
    result = await connection.run("echo out; echo err >&2; exit 7")
    assert (result.stdout, result.stderr, result.exit_status) == ("out\n", "err\n", 7)
    result = await connection.run("cat; echo end", input="some input\n")
    assert result.stdout == "some input\nend\n"
    environment = {"MY_SESSION": "true", "LD_PRELOAD": "x"}
    result = await connection.run("echo $MY_SESSION ${LD_PRELOAD-none}", env=environment)
    assert result.stdout == "true none\n", result.stdout
    result = await connection.run("kill -9 $$")
    assert result.exit_status == -1 and result.exit_signal[:3] == ("KILL", False, ""), result

    for name in ("TERM", "USR1"):
        process = await connection.create_process("echo up; exec sleep 600")
        assert await process.stdout.readline() == "up\n"
        process.send_signal(name)
        result = await process.wait()
        assert result.exit_signal[0] == name, result
    process = await connection.create_process("trap 'echo caught; exit 3' INT; echo up; read line")
    assert await process.stdout.readline() == "up\n"
    process.send_signal("INT")
    result = await process.wait()
    assert (result.stdout, result.exit_status) == ("caught\n", 3), result

    sent = os.urandom(4 << 20)
    results = await asyncio.gather(
        *(connection.run("cat", input=sent, encoding=None) for _ in range(4))
    )
    assert all(result.stdout == sent for result in results), "four at once"


async def terminals(connection, _directory):
    for number in range(10):
        process = await connection.create_process(
            "echo $TERM; stty -echo; stty size; read line; stty size; exit 5",
            term_type="vt100",
            term_size=(100, 40),
        )
        assert await process.stdout.readline() == "vt100\r\n"
        assert await process.stdout.readline() == "40 100\r\n"
        process.change_terminal_size(120, 50 + number)
        process.stdin.write("\n")
        result = await process.wait()
        assert (result.stdout, result.exit_status) == (f"{50 + number} 120\r\n", 5), result
    process = await connection.create_process(
        "echo up; exec sleep 600", term_type="vt100", term_modes={asyncssh.PTY_VINTR: 7}
    )
    assert await process.stdout.readline() == "up\r\n"
    process.stdin.write("\x07")
    result = await process.wait()
    assert result.exit_signal[0] == "INT", result
    process = await connection.create_process("echo up; exec sleep 600", term_type="vt100")
    assert await process.stdout.readline() == "up\r\n"
    process.send_signal("TERM")
    assert (await process.wait()).exit_signal[0] == "TERM"


async def transfers(connection, directory):
    near, far, back = (os.path.join(directory, name) for name in ("near", "far", "back"))
    sent = os.urandom(8 << 20)
    os.mkdir(near)
    with open(os.path.join(near, "big"), "wb") as file:
        file.write(sent)
    for number in range(100):
        path = os.path.join(near, f"small-{number}")
        with open(path, "w", encoding="ascii") as file:
            file.write(str(number))
        os.chmod(path, 0o600 + number % 8)
    async with connection.start_sftp_client() as sftp:
        await sftp.put(near, far, recurse=True, preserve=True)
        await sftp.get(far, back, recurse=True, preserve=True)
        same(near, far)
        same(near, back)
        assert len(await sftp.glob(f"{far}/small-*")) == 100

        await sftp.chdir(far)
        # asyncssh knows OpenSSH's order of the two paths only by that server's name; here is its own.
        await sftp.symlink(os.path.join(far, "link"), "big")
        assert await sftp.readlink("link") == os.path.join(far, "big")
        await sftp.setstat("link", asyncssh.SFTPAttrs(mtime=1_100_000_000, atime=1), follow_symlinks=False)
        assert int(os.lstat(os.path.join(far, "link")).st_mtime) == 1_100_000_000
        await sftp.link("big", "hard")
        assert os.stat(os.path.join(far, "big")).st_nlink == 2
        await sftp.remote_copy("big", "copy")
        with open(os.path.join(far, "copy"), "rb") as file:
            assert file.read() == sent, "copied over there"
        async with sftp.open("copy", "rb+") as file:
            await file.write(b"changed", offset=1000)
            await file.fsync()
            assert await file.read(7, offset=1000) == b"changed"
            assert (await file.statvfs()).bsize > 0
        assert (await sftp.statvfs(".")).blocks > 0
        await sftp.posix_rename("hard", "copy")
        assert not await sftp.exists("hard")
        await refused(sftp.rename("copy", "big"), asyncssh.SFTPFailure)
        await refused(sftp.stat("missing"), asyncssh.SFTPNoSuchFile)
        assert await sftp.realpath("~") == await sftp.realpath(os.path.join(far, "~"))
        await sftp.rmtree(far)
        assert not os.path.exists(far)
    await asyncssh.scp(near, (connection, far), recurse=True, preserve=True)
    await asyncssh.scp((connection, far), back + "2", recurse=True, preserve=True)
    same(near, far)
    same(near, back + "2")


def same(one, other):
    names = sorted(os.listdir(one))
    assert names == sorted(os.listdir(other))
    for name in names:
        files = [os.path.join(directory, name) for directory in (one, other)]
        modes = [stat.S_IMODE(os.stat(file).st_mode) for file in files]
        times = [int(os.stat(file).st_mtime) for file in files]
        assert modes[0] == modes[1] and times[0] == times[1], (name, modes, times)
        with open(files[0], "rb") as left, open(files[1], "rb") as right:
            assert left.read() == right.read(), name


async def refused(call, kind):
    try:
        await call
    except kind:
        return
    raise AssertionError(f"no {kind.__name__}")


async def send_back(reader, writer):
    while piece := await reader.read(65536):
        writer.write(piece)
        await writer.drain()
    writer.write_eof()


async def exchange(reader, writer):
    sent = os.urandom(1 << 20)
    writer.write(sent)
    writer.write_eof()
    assert await reader.read() == sent
    writer.close()


async def forwards(connection, directory):
    server = await asyncio.start_server(send_back, "127.0.0.1", 0)
    path = os.path.join(directory, "server.sock")
    await asyncio.start_unix_server(send_back, path)
    port = server.sockets[0].getsockname()[1]

    await exchange(*await connection.open_connection("127.0.0.1", port, encoding=None))
    await exchange(*await connection.open_unix_connection(path, encoding=None))
    for listener in (
        await connection.forward_local_port("127.0.0.1", 0, "127.0.0.1", port),
        await connection.forward_remote_port("127.0.0.1", 0, "127.0.0.1", port),
    ):
        address = ("127.0.0.1", listener.get_port())
        await exchange(*await asyncio.open_connection(*address))
        listener.close()
        await listener.wait_closed()
        await refused(asyncio.open_connection(*address), ConnectionRefusedError)
    for make, name in (
        (connection.forward_local_path, "near.sock"),
        (connection.forward_remote_path, "far.sock"),
    ):
        listening = os.path.join(directory, name)
        listener = await make(listening, path)
        await exchange(*await asyncio.open_unix_connection(listening))
        listener.close()
        await listener.wait_closed()
    assert not os.path.exists(os.path.join(directory, "far.sock"))
    server.close()
    await refused(connection.open_connection("127.0.0.1", port), asyncssh.ChannelOpenError)


async def main():
    port, key, directory, theme = sys.argv[1:]
    themes = {f.__name__: f for f in (commands, terminals, transfers, forwards)}
    async with asyncssh.connect(
        "127.0.0.1",
        int(port),
        username="me",
        client_keys=[key],
        known_hosts=None,
        agent_path=None,
        config=None,
    ) as connection:
        await asyncio.wait_for(themes[theme](connection, directory), LIMIT)


asyncio.run(main())
