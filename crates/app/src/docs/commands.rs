//! `docs/reference/commands.md`: the command line, from the definition that parses it.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory};

use super::cell;
use crate::cli::Cli;

const HEAD: &str = "# Commands\n\n\
    <!-- Generated from crates/app/src/cli.rs: run cargo xtask docs. -->\n\n\
    Every [setting](settings.md) is a flag too: `--section.key value`. What a command's end means is in\n\
    [exit codes](exit-codes.md); what the commands ask a running server is in [routes](routes.md#the-control-socket).\n";

/// The page.
pub(super) fn page() -> String {
    let mut page = HEAD.to_owned();
    let program = Cli::command();
    commands(&mut page, &program, program.get_name());
    page
}

fn commands(page: &mut String, of: &Command, called: &str) {
    for command in of.get_subcommands().filter(|command| !command.is_hide_set()) {
        let called = format!("{called} {}", command.get_name());
        if command.has_subcommands() {
            commands(page, command, &called);
        } else {
            section(page, command, &called);
        }
    }
}

fn section(page: &mut String, command: &Command, called: &str) {
    let positional: String = command.get_positionals().map(|arg| format!(" <{}>", arg.get_id())).collect();
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    // Writing to a String cannot fail, here and below.
    let _ = write!(page, "\n## `{called}{positional}`\n\n{about}.\n");
    let shown: Vec<&Arg> = command.get_arguments().filter(|arg| !arg.is_hide_set()).collect();
    if shown.is_empty() {
        return;
    }
    page.push_str("\n| Argument | Default | Means |\n|---|---|---|\n");
    for arg in shown {
        row(page, arg);
    }
}

fn row(page: &mut String, arg: &Arg) {
    let values: Vec<String> =
        arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    let takes = arg.get_action().takes_values();
    let value = if values.is_empty() { format!("<{}>", arg.get_id()) } else { values.join("|") };
    let name = match arg.get_long() {
        Some(long) if takes => format!("--{long} {value}"),
        Some(long) => format!("--{long}"),
        None => value,
    };
    let default: Vec<String> = arg
        .get_default_values()
        .iter()
        .filter(|_| takes)
        .map(|value| format!("`{}`", value.to_string_lossy()))
        .collect();
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let _ = writeln!(page, "| `{}` | {} | {} |", cell(&name), default.join(", "), cell(&help));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_stand_there_with_their_arguments_and_hidden_ones_do_not() {
        let page = page();
        assert!(page.contains("## `palisade admin create <email>`"), "{page}");
        assert!(page.contains("| `--data <data>` | `data` |"), "{page}");
        assert!(!page.contains("palisade docs"), "{page}");
    }

    /// What a page shows as something to type, from `palisade` on.
    fn typed(page: &str) -> impl Iterator<Item = &str> {
        page.lines().flat_map(|line| {
            line.match_indices("palisade ").filter_map(|(at, _)| {
                let (before, rest) = line.split_at(at);
                let begins =
                    before.is_empty() || ["`", "sudo ", "debug/"].iter().any(|sign| before.ends_with(sign));
                begins.then(|| rest.split(['`', '#']).next().unwrap_or_default())
            })
        })
    }

    /// The first word of it that is no command or argument. What stands for something else (`N`, `<file>`) says nothing.
    fn unknown(typed: &str) -> Option<&str> {
        let program = Cli::command();
        let (mut command, mut words) = (&program, typed.split_whitespace().skip(1));
        while command.has_subcommands() {
            let word = words.next()?.trim_end_matches(['.', ',', ';', ':', ')', '…']);
            if !word.starts_with(|letter: char| letter.is_ascii_lowercase()) {
                return None;
            }
            let mut named = word.split('|').map(|name| command.find_subcommand(name));
            let first = named.next().flatten();
            let Some(found) = first.filter(|_| named.all(|other| other.is_some())) else { return Some(word) };
            command = found;
        }
        let options = words.flat_map(|word| word.split('|')).filter_map(|word| {
            let name = word.trim_start_matches('[').strip_prefix("--")?;
            let name = name.split(['=', ']', ',', ';', ')']).next()?.trim_end_matches('.');
            // A setting, which has pages of its own.
            Some(name).filter(|name| !name.is_empty() && !name.contains('.'))
        });
        let known = |name: &str| command.get_arguments().any(|arg| arg.get_long() == Some(name));
        let mut strange = options.filter(|name| !known(name));
        strange.next()
    }

    #[test]
    fn pages_show_only_commands_that_are_there() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut pages: Vec<_> =
            ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "ARCHITECTURE.md"]
                .map(|name| root.join(name))
                .into();
        for folder in ["docs/how-to", "docs/decisions", "docs/monitoring"] {
            let files = std::fs::read_dir(root.join(folder)).expect("a folder");
            pages.extend(files.map(|file| file.expect("a file").path()));
        }
        let mut seen = 0;
        for path in pages {
            let page = std::fs::read_to_string(&path).expect("a page");
            for typed in typed(&page) {
                seen += 1;
                assert_eq!(unknown(typed), None, "{}: {typed}", path.display());
            }
        }
        assert!(seen > 100, "{seen}");
        assert_eq!(unknown("palisade status"), Some("status"));
        assert_eq!(unknown("palisade bans list|lift"), Some("list|lift"));
        assert_eq!(unknown("palisade bans add 10.0.0.0/8 --until tomorrow"), Some("until"));
    }
}
