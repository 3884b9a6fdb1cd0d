//! The protocol's document about this program: it names the commands and options that exist.

use clap::CommandFactory as _;

const DOCUMENT: &str = include_str!("../../../../docs/protocol/cli.md");

/// The first cells of the table under a heading, without its head.
fn first_cells(heading: &str) -> Vec<&'static str> {
    let (_, section) = DOCUMENT.split_once(&format!("## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().skip_while(|line| !line.starts_with("|---"));
    let rows = rows.skip(1).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split('|').nth(1).unwrap().trim()).collect()
}

/// The words in back quotes.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn the_document_lists_every_command() {
    let listed: Vec<_> = first_cells("Commands").into_iter().flat_map(quoted).collect();
    let command = agent_cli::Args::command();
    let mut names = Vec::new();
    for command in command.get_subcommands() {
        let name = command.get_name();
        let below = command.get_subcommands().map(|below| format!("{name} {}", below.get_name()));
        match command.has_subcommands() {
            true => names.extend(below),
            false => names.push(name.to_owned()),
        }
        names.extend(command.get_visible_aliases().map(str::to_owned));
    }
    assert_eq!(listed, names);
}

/// Checks that the words in back quotes have an option.
#[track_caller]
fn check_listed(option: &clap::Arg, words: &[&str]) {
    let is_listed =
        |name: &str| words.iter().any(|words| words.split(' ').any(|word| word == name));
    let long = format!("--{}", option.get_long().unwrap());
    assert!(is_listed(&long), "{long}");
    if let Some(short) = option.get_short() {
        assert!(is_listed(&format!("-{short}")), "-{short}");
    }
}

#[test]
fn the_document_lists_every_global_option() {
    let cells = ["Finding the agent", "Output"].map(first_cells).concat();
    let words: Vec<_> = cells.into_iter().flat_map(quoted).collect();
    for option in agent_cli::Args::command().get_arguments() {
        check_listed(option, &words);
    }
}

#[test]
fn the_document_lists_every_option_of_longer_commands() {
    for name in [
        "exec",
        "logs",
        "git status",
        "git watch",
        "terminal open",
        "terminal attach",
        "containers",
        "devcontainer exec",
        "port-forward",
        "ssh",
        "ssh-config",
    ] {
        let (_, section) = DOCUMENT.split_once(&format!("### `{name}`\n")).unwrap();
        let section = section.split("\n##").next().unwrap();
        let all = agent_cli::Args::command();
        let find = |above: &clap::Command, name: &str| above.find_subcommand(name).unwrap().clone();
        let command = name.split(' ').fold(all, |above, name| find(&above, name));
        let is_own = |option: &&clap::Arg| option.get_id() != "target";
        for option in command.get_opts().filter(is_own) {
            check_listed(option, &quoted(section));
        }
    }
}
