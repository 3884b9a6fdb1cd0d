//! The modes of a terminal as a `pty-req` has them (RFC 4254 section 8); not what they are set to.
//! Pure.

use rustix::termios::{
    ControlModes, InputModes, LocalModes, OutputModes, SpecialCodeIndex, Termios,
};

/// The end of the list.
const TTY_OP_END: u8 = 0;
const TTY_OP_ISPEED: u8 = 128;
const TTY_OP_OSPEED: u8 = 129;

const CHARACTERS: [(u8, SpecialCodeIndex); 15] = [
    (1, SpecialCodeIndex::VINTR),
    (2, SpecialCodeIndex::VQUIT),
    (3, SpecialCodeIndex::VERASE),
    (4, SpecialCodeIndex::VKILL),
    (5, SpecialCodeIndex::VEOF),
    (6, SpecialCodeIndex::VEOL),
    (7, SpecialCodeIndex::VEOL2),
    (8, SpecialCodeIndex::VSTART),
    (9, SpecialCodeIndex::VSTOP),
    (10, SpecialCodeIndex::VSUSP),
    (12, SpecialCodeIndex::VREPRINT),
    (13, SpecialCodeIndex::VWERASE),
    (14, SpecialCodeIndex::VLNEXT),
    (16, SpecialCodeIndex::VSWTC),
    (18, SpecialCodeIndex::VDISCARD),
];

const INPUT: [(u8, InputModes); 13] = [
    (30, InputModes::IGNPAR),
    (31, InputModes::PARMRK),
    (32, InputModes::INPCK),
    (33, InputModes::ISTRIP),
    (34, InputModes::INLCR),
    (35, InputModes::IGNCR),
    (36, InputModes::ICRNL),
    (37, InputModes::IUCLC),
    (38, InputModes::IXON),
    (39, InputModes::IXANY),
    (40, InputModes::IXOFF),
    (41, InputModes::IMAXBEL),
    (42, InputModes::IUTF8),
];

const LOCAL: [(u8, LocalModes); 13] = [
    (50, LocalModes::ISIG),
    (51, LocalModes::ICANON),
    (52, LocalModes::XCASE),
    (53, LocalModes::ECHO),
    (54, LocalModes::ECHOE),
    (55, LocalModes::ECHOK),
    (56, LocalModes::ECHONL),
    (57, LocalModes::NOFLSH),
    (58, LocalModes::TOSTOP),
    (59, LocalModes::IEXTEN),
    (60, LocalModes::ECHOCTL),
    (61, LocalModes::ECHOKE),
    (62, LocalModes::PENDIN),
];

const OUTPUT: [(u8, OutputModes); 6] = [
    (70, OutputModes::OPOST),
    (71, OutputModes::OLCUC),
    (72, OutputModes::ONLCR),
    (73, OutputModes::OCRNL),
    (74, OutputModes::ONOCR),
    (75, OutputModes::ONLRET),
];

const CONTROL: [(u8, ControlModes); 4] = [
    (90, ControlModes::CS7),
    (91, ControlModes::CS8),
    (92, ControlModes::PARENB),
    (93, ControlModes::PARODD),
];

/// The modes of a terminal, or of none, which leaves them to the other end.
pub(super) fn encode(terminal: Option<&Termios>) -> Vec<u8> {
    let mut encoded = Vec::new();
    let mut put = |code: u8, value: u32| {
        encoded.push(code);
        encoded.extend(value.to_be_bytes());
    };
    if let Some(modes) = terminal {
        put(TTY_OP_ISPEED, modes.input_speed());
        put(TTY_OP_OSPEED, modes.output_speed());
        for (code, index) in CHARACTERS {
            // A character that is off is 0 here, and 255 there.
            let character = modes.special_codes[index];
            put(code, if character == 0 { 255 } else { character.into() });
        }
        INPUT.iter().for_each(|(code, flag)| put(*code, modes.input_modes.contains(*flag).into()));
        LOCAL.iter().for_each(|(code, flag)| put(*code, modes.local_modes.contains(*flag).into()));
        OUTPUT
            .iter()
            .for_each(|(code, flag)| put(*code, modes.output_modes.contains(*flag).into()));
        let size = modes.control_modes & ControlModes::CSIZE;
        for (code, flag) in CONTROL {
            // Of the sizes only one is there, and their bits overlap.
            let is_size = ControlModes::CSIZE.contains(flag);
            let is_set = if is_size { size == flag } else { modes.control_modes.contains(flag) };
            put(code, is_set.into());
        }
    }
    encoded.push(TTY_OP_END);
    encoded
}
