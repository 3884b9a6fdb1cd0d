//! A pseudo terminal that is opened and set up before the program that gets it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::termios::{
    ControlModes, InputModes, LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, Termios,
    tcgetattr, tcsetattr,
};

use super::{Opened, Pty, open};
use crate::Size;

/// Both ends of a pseudo terminal that no program has yet.
#[derive(Debug)]
pub struct Terminal {
    /// The near end.
    pub pty: Pty,
    /// The end for a program, with [`Stdio::Opened`](crate::Stdio::Opened).
    ///
    /// As long as it or a clone of it is kept, the near end does not tell that the last program is
    /// gone.
    pub far: FarEnd,
}

/// The end of a pseudo terminal that a program gets; the clones are one descriptor.
#[derive(Clone, Debug)]
pub struct FarEnd(Arc<OwnedFd>);

impl Terminal {
    /// Opens a pseudo terminal of this size; needs a runtime with I/O around it.
    ///
    /// # Errors
    ///
    /// The system has no terminal, or no descriptor, to give.
    pub fn open(size: Size) -> io::Result<Self> {
        let Opened { ours, theirs, path } = open(size)?;
        Ok(Self { pty: Pty::new(ours, path)?, far: FarEnd(Arc::new(theirs)) })
    }

    /// Applies terminal modes, pairs of an opcode and its argument, in their order; opcodes that
    /// are not known here are ignored.
    ///
    /// Source: RFC 4254, section 8, and RFC 8160 for `IUTF8`.
    ///
    /// # Errors
    ///
    /// The system refuses the modes.
    pub fn set_modes(&self, modes: &[(u8, u32)]) -> io::Result<()> {
        let mut termios = tcgetattr(&self.far)?;
        for &(opcode, value) in modes {
            set(&mut termios, opcode, value);
        }
        Ok(tcsetattr(&self.far, OptionalActions::Now, &termios)?)
    }
}

impl AsFd for FarEnd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Applies one mode.
fn set(termios: &mut Termios, opcode: u8, value: u32) {
    if let Some(index) = character(opcode) {
        // 255 disables the character; on Linux NUL means that (termios(3), `_POSIX_VDISABLE`).
        let code = u8::try_from(value).unwrap_or(u8::MAX);
        termios.special_codes[index] = if code == u8::MAX { 0 } else { code };
        return;
    }
    let on = value != 0;
    match opcode {
        30..=42 => termios.input_modes.set(input_mode(opcode), on),
        50..=62 => termios.local_modes.set(local_mode(opcode), on),
        70..=75 => termios.output_modes.set(output_mode(opcode), on),
        90..=93 => termios.control_modes.set(control_mode(opcode), on),
        // A speed that the system does not know leaves the one before.
        128 => drop(termios.set_input_speed(value)),
        129 => drop(termios.set_output_speed(value)),
        _ => {}
    }
}

fn character(opcode: u8) -> Option<SpecialCodeIndex> {
    Some(match opcode {
        1 => SpecialCodeIndex::VINTR,
        2 => SpecialCodeIndex::VQUIT,
        3 => SpecialCodeIndex::VERASE,
        4 => SpecialCodeIndex::VKILL,
        5 => SpecialCodeIndex::VEOF,
        6 => SpecialCodeIndex::VEOL,
        7 => SpecialCodeIndex::VEOL2,
        8 => SpecialCodeIndex::VSTART,
        9 => SpecialCodeIndex::VSTOP,
        10 => SpecialCodeIndex::VSUSP,
        12 => SpecialCodeIndex::VREPRINT,
        13 => SpecialCodeIndex::VWERASE,
        14 => SpecialCodeIndex::VLNEXT,
        #[cfg(target_os = "linux")]
        16 => SpecialCodeIndex::VSWTC,
        18 => SpecialCodeIndex::VDISCARD,
        _ => return None,
    })
}

fn input_mode(opcode: u8) -> InputModes {
    match opcode {
        30 => InputModes::IGNPAR,
        31 => InputModes::PARMRK,
        32 => InputModes::INPCK,
        33 => InputModes::ISTRIP,
        34 => InputModes::INLCR,
        35 => InputModes::IGNCR,
        36 => InputModes::ICRNL,
        #[cfg(target_os = "linux")]
        37 => InputModes::IUCLC,
        38 => InputModes::IXON,
        39 => InputModes::IXANY,
        40 => InputModes::IXOFF,
        41 => InputModes::IMAXBEL,
        42 => InputModes::IUTF8,
        _ => InputModes::empty(),
    }
}

fn local_mode(opcode: u8) -> LocalModes {
    match opcode {
        50 => LocalModes::ISIG,
        51 => LocalModes::ICANON,
        #[cfg(target_os = "linux")]
        52 => LocalModes::XCASE,
        53 => LocalModes::ECHO,
        54 => LocalModes::ECHOE,
        55 => LocalModes::ECHOK,
        56 => LocalModes::ECHONL,
        57 => LocalModes::NOFLSH,
        58 => LocalModes::TOSTOP,
        59 => LocalModes::IEXTEN,
        60 => LocalModes::ECHOCTL,
        61 => LocalModes::ECHOKE,
        62 => LocalModes::PENDIN,
        _ => LocalModes::empty(),
    }
}

fn output_mode(opcode: u8) -> OutputModes {
    match opcode {
        70 => OutputModes::OPOST,
        #[cfg(target_os = "linux")]
        71 => OutputModes::OLCUC,
        72 => OutputModes::ONLCR,
        73 => OutputModes::OCRNL,
        74 => OutputModes::ONOCR,
        75 => OutputModes::ONLRET,
        _ => OutputModes::empty(),
    }
}

fn control_mode(opcode: u8) -> ControlModes {
    match opcode {
        90 => ControlModes::CS7,
        91 => ControlModes::CS8,
        92 => ControlModes::PARENB,
        93 => ControlModes::PARODD,
        _ => ControlModes::empty(),
    }
}
