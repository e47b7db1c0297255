//! Man pages and shell completions, from the definitions that the help is from.

use clap::{Args as ClapArgs, Command, CommandFactory as _, ValueEnum};
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};

use super::{
    args::Args,
    failure::Failure,
    peek::{PEEK_USAGE, PEEKSTAT_USAGE},
    prof::PROF_USAGE,
    stat::STAT_USAGE,
    track::TRACK_USAGE,
};

/// `tcpkit generate`.
#[derive(Clone, Debug, ClapArgs)]
#[command(disable_help_flag = true)]
pub struct GenerateCommandArgs {
    /// A man page, or the completions of a shell.
    #[arg(value_name = "WHAT", value_enum)]
    pub what: Generated,
    /// Which man page [default: tcpkit].
    #[arg(value_name = "PAGE")]
    pub page: Option<String>,
}

/// What `tcpkit generate` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Generated {
    /// A man page, as roff(7).
    Man,
    /// The names of the man pages.
    Pages,
    /// Completions of bash.
    Bash,
    /// Completions of zsh.
    Zsh,
    /// Completions of fish.
    Fish,
}

/// The page of an older tool whose command line we take.
struct OlderTool {
    name: &'static str,
    about: &'static str,
    usage: &'static str,
    description: &'static str,
    see: &'static str,
}

const OLDER_TOOLS: [OlderTool; 5] = [
    OlderTool {
        name: "tcpeek",
        about: "watch TCP handshakes: which fail, how, and how long the others take",
        usage: PEEK_USAGE,
        description: "tcpkit under the name of tcpeek: its options, filter expressions, lines, summary and socket \
                      protocol, on tcpkit's engine; also of files and of IPv6. tcpkit peek is the same.",
        see: "tcpeekstat",
    },
    OlderTool {
        name: "tcpeekstat",
        about: "ask a running tcpeek for its statistics",
        usage: PEEKSTAT_USAGE,
        description: "tcpkit under the name of tcpeekstat. tcpkit peekstat is the same.",
        see: "tcpeek",
    },
    OlderTool {
        name: "tcpstat",
        about: "statistics of an interface or a capture file, by interval",
        usage: STAT_USAGE,
        description: "tcpkit under the name of tcpstat 1.5: its options and formats, on files to the byte; live from \
                      the kernel's counters. tcpkit stat is the same.",
        see: "tcpprof",
    },
    OlderTool {
        name: "tcpprof",
        about: "who and what the packets of an interface or a capture file were, ranked by bytes",
        usage: PROF_USAGE,
        description: "tcpkit under the name of tcpprof: its options and tables. tcpkit prof is the same.",
        see: "tcpstat",
    },
    OlderTool {
        name: "tcptrack",
        about: "watch TCP connections as they are, or those of a file as a table",
        usage: TRACK_USAGE,
        description: "tcpkit under the name of tcptrack: its options and its screen, on tcpkit's engine; a table of the \
                      connections of files. tcpkit track is the same.",
        see: "tcpeek",
    },
];

/// The text that was asked for.
///
/// # Errors
/// There is no such man page.
pub fn generate(args: &GenerateCommandArgs) -> Result<String, Failure> {
    use clap_complete::Shell;
    match (args.what, &args.page) {
        (Generated::Man, page) => man(page.as_deref().unwrap_or("tcpkit")),
        (Generated::Pages, None) => Ok(pages().join("\n") + "\n"),
        (Generated::Bash, None) => Ok(completions(Shell::Bash)),
        (Generated::Zsh, None) => Ok(completions(Shell::Zsh)),
        (Generated::Fish, None) => Ok(completions(Shell::Fish)),
        (_, Some(page)) => Err(Failure::usage(page.as_str()).because("only man pages have names")),
    }
}

/// The names of all man pages, each of section 1.
#[must_use]
pub fn pages() -> Vec<String> {
    let command = Args::command();
    let of_commands = shown(&command).map(|sub| format!("tcpkit-{}", sub.get_name()));
    let older = OLDER_TOOLS.iter().map(|tool| tool.name.to_owned());
    std::iter::once("tcpkit".to_owned()).chain(of_commands).chain(older).collect()
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|sub| !sub.is_hide_set())
}

fn man(page: &str) -> Result<String, Failure> {
    if let Some(tool) = OLDER_TOOLS.iter().find(|tool| tool.name == page) {
        return Ok(tool.page());
    }
    let mut command = Args::command();
    command.build();
    let found = match page.strip_prefix("tcpkit-") {
        None if page == "tcpkit" => Some(command),
        None => None,
        Some(name) => command.find_subcommand(name).cloned(),
    };
    let command = found.ok_or_else(|| {
        Failure::usage(page)
            .because("is no man page of ours")
            .hint(format!("there are: {}", pages().join(", ")))
    })?;
    let mut page = Vec::new();
    let rendered = Man::new(command).manual("User Commands").render(&mut page);
    rendered.map_err(|error| Failure::run("man page").because(error))?;
    String::from_utf8(page).map_err(|error| Failure::run("man page").because(error))
}

fn completions(shell: clap_complete::Shell) -> String {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "tcpkit", &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

impl OlderTool {
    fn page(&self) -> String {
        let mut page = Roff::new();
        let version = concat!("tcpkit ", env!("CARGO_PKG_VERSION"));
        page.control("TH", [self.name, "1", "", version, "User Commands"]);
        page.control("SH", ["NAME"]);
        page.text([roman(format!("{} - {}", self.name, self.about))]);
        page.control("SH", ["SYNOPSIS"]);
        page.control("nf", []);
        for line in self.usage.replace("%s", self.name).lines() {
            let line = line.strip_prefix("usage: ").or_else(|| line.strip_prefix("Usage: ")).unwrap_or(line);
            page.text([roman(line)]);
        }
        page.control("fi", []);
        page.control("SH", ["DESCRIPTION"]);
        page.text([roman(self.description)]);
        page.control("SH", ["SEE ALSO"]);
        page.text([bold("tcpkit"), roman("(1), "), bold(self.see), roman("(1)")]);
        page.render()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generated(what: Generated, page: Option<&str>) -> Result<String, Failure> {
        generate(&GenerateCommandArgs { what, page: page.map(str::to_owned) })
    }

    #[test]
    fn each_option_of_the_help_stands_in_its_man_page() {
        let mut command = Args::command();
        command.build();
        let levels = std::iter::once(("tcpkit".to_owned(), &command))
            .chain(shown(&command).map(|sub| (format!("tcpkit-{}", sub.get_name()), sub)));
        for (page, level) in levels {
            let text = generated(Generated::Man, Some(&page)).unwrap().replace('\\', "");
            for option in level.get_arguments().filter(|option| !option.is_hide_set()) {
                let name = option.get_long().unwrap_or(option.get_id().as_str());
                assert!(text.contains(name) || text.contains(&name.to_uppercase()), "{page} lacks {name}");
            }
        }
    }

    #[test]
    fn an_older_tool_has_a_page_with_its_usage() {
        let page = generated(Generated::Man, Some("tcpeek")).unwrap();
        assert!(
            page.contains(".SH SYNOPSIS") && page.contains("tcpeek [option]... [expression]..."),
            "{page}"
        );
        for name in pages() {
            assert!(generated(Generated::Man, Some(&name)).is_ok(), "{name}");
        }
    }

    #[test]
    fn what_there_is_not_is_named() {
        let told = generated(Generated::Man, Some("tcpdump")).unwrap_err().to_string();
        assert!(told.starts_with("tcpdump: is no man page of ours: there are: tcpkit, "), "{told}");
        let told = generated(Generated::Zsh, Some("tcpkit")).unwrap_err().to_string();
        assert_eq!(told, "tcpkit: only man pages have names");
    }

    #[test]
    fn a_shell_learns_the_options() {
        for shell in [Generated::Bash, Generated::Zsh, Generated::Fish] {
            let text = generated(shell, None).unwrap();
            assert!(text.contains("ring-bytes") && text.contains("latency"), "{shell:?}");
        }
    }
}
