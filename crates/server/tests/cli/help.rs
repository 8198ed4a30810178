//! The help of every command on a running installation: what users script against, in one snapshot.

use std::fmt::Write as _;

use clap::{Command, CommandFactory as _};
use portcullis_server::cli::Cli;

/// Nouns and verbs of `cli::manage`; starting the program is tested elsewhere.
const COMMANDS: [&str; 14] = [
    "token",
    "call",
    "example-app",
    "org",
    "app",
    "secret",
    "api",
    "subscription",
    "key",
    "audit",
    "node",
    "job",
    "mail",
    "setting",
];

fn write_help(path: &str, command: &mut Command, text: &mut String) {
    let help = command.clone().render_help().to_string();
    let help: Vec<_> = help.lines().map(str::trim_end).collect();
    writeln!(text, "===== portcullis {path}\n{}\n", help.join("\n")).unwrap();
    for below in command.get_subcommands_mut() {
        if below.get_name() != "help" {
            let path = format!("{path} {}", below.get_name());
            write_help(&path, below, text);
        }
    }
}

#[test]
fn the_help_of_every_command_is_as_it_was() {
    let mut cli = Cli::command().term_width(100);
    cli.build();
    let mut text = String::new();

    for name in COMMANDS {
        let command = cli.find_subcommand_mut(name).expect(name);
        write_help(name, command, &mut text);
    }

    insta::assert_snapshot!(text);
}

#[test]
fn no_command_takes_a_secret_as_an_argument() {
    fn check(command: &Command) {
        for argument in command.get_arguments() {
            let id = argument.get_id().as_str();
            let takes_value = argument.get_action().takes_values();
            let names_secret = ["secret", "token", "password"]
                .iter()
                .any(|word| id.contains(word));
            // The id of a secret is no secret.
            let is_id = id == "secret" && argument.is_positional();
            assert!(
                !(takes_value && names_secret && !is_id),
                "{} {id}",
                command.get_name()
            );
        }
        command.get_subcommands().for_each(check);
    }

    for name in COMMANDS {
        check(Cli::command().find_subcommand(name).expect(name));
    }
}
