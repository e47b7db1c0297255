//! Which layer decides, and what a wrong file or variable is told.

use std::ffi::OsString;

use super::*;
use crate::cli::args::AgentArgs;

fn words(text: &str) -> Vec<OsString> {
    text.split(' ').filter(|word| !word.is_empty()).map(OsString::from).collect()
}

fn none(_: &str) -> Option<OsString> {
    None
}

/// The command line that a file, an environment and typed words make.
fn line(
    file: &str,
    environment: &'static [(&'static str, &'static str)],
    typed: &str,
) -> Result<String, String> {
    let path = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(path.path(), file).unwrap();
    let variable = |name: &str| {
        let found = environment.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| OsString::from(value))
    };
    let mut typed = words(&format!("tcpkit {typed}"));
    typed.push("--config".into());
    typed.push(path.path().into());
    let shown = path.path().display().to_string();
    match complete(typed, &variable) {
        Ok(words) => {
            let text = words.join(std::ffi::OsStr::new(" ")).into_string().unwrap();
            Ok(text.replace(&format!(" --config {shown}"), ""))
        }
        Err(failure) => Err(failure.to_string().replace(&shown, "FILE")),
    }
}

#[test]
fn a_file_says_what_was_not_typed() {
    let file = "interface = [\"eth0\", \"eth1\"]\nring-bytes = \"64M\"\nshards = 4\nreattach = true\nquiet = false\n";
    let all = "tcpkit --interface=eth0 --interface=eth1 --ring-bytes=64M --shards=4 --reattach";
    assert_eq!(line(file, &[], "").unwrap(), all);
    let with_one_typed = "tcpkit --interface=eth0 --interface=eth1 --ring-bytes=64M --reattach --shards 2";
    assert_eq!(line(file, &[], "--shards 2").unwrap(), with_one_typed);
}

#[test]
fn the_environment_goes_before_the_file_and_typed_words_before_both() {
    let file = "shards = 4\nlog = \"info\"\nmax-flows = 1000\n";
    let environment = &[("TCPKIT_SHARDS", "3"), ("TCPKIT_LOG", "debug"), ("TCPKIT_QUIET", "yes")];
    let made = line(file, environment, "-r a.pcap --log error").unwrap();
    assert_eq!(made, "tcpkit --max-flows=1000 --shards=3 --quiet -r a.pcap --log error");
}

#[test]
fn what_cannot_stand_beside_typed_words_gives_way() {
    let file = "interface = \"eth0\"\nring-bytes = \"64M\"\nmax-flows = 1000\n";
    assert_eq!(line(file, &[], "-r a.pcap").unwrap(), "tcpkit --max-flows=1000 -r a.pcap");
    assert_eq!(line("read = \"a.pcap\"\n", &[], "-i eth0").unwrap(), "tcpkit -i eth0");
}

#[test]
fn an_expression_stands_last_unless_one_was_typed() {
    let file = "expression = \"port 443 or icmp\"\ninterface = \"eth0\"\n";
    assert_eq!(line(file, &[], "--quiet").unwrap(), "tcpkit --interface=eth0 --quiet port 443 or icmp");
    assert_eq!(line(file, &[], "-i lo port 80").unwrap(), "tcpkit -i lo port 80");
}

#[test]
fn a_command_with_the_agents_options_has_them_behind_its_name() {
    let made = line("shards = 2\n", &[], "latency -i eth0").unwrap();
    assert_eq!(made, "tcpkit latency --shards=2 -i eth0");
}

#[test]
fn a_mistake_is_told_with_its_line() {
    let told = |file| line(file, &[], "-i eth0").unwrap_err();
    assert_eq!(told("shards = 2\nsharts = 3\n"), "FILE:2: sharts: no option has this name: perhaps shards");
    assert_eq!(
        told("zzz = 3\n"),
        "FILE:1: zzz: no option has this name: tcpkit config default lists all of them"
    );
    assert_eq!(told("quiet = 1\n"), "FILE:1: quiet: is true or false");
    assert_eq!(told("\nshards = true\n"), "FILE:2: shards: takes a value, not true or false");
    assert_eq!(told("shards = [1, 2]\n"), "FILE:1: shards: takes one value, not a list");
    let range = told("# so\n\nshards = 65\n");
    assert_eq!(range, "FILE:3: shards: invalid value '65' for '--shards <N>': 65 is not in 1..=64");
    assert!(told("shards = \n").starts_with("FILE:1: "), "{}", told("shards = \n"));
    assert!(
        told("[capture]\nshards = 2\n").starts_with("FILE:1: capture: no option"),
        "{}",
        told("[capture]\n")
    );
    assert_eq!(
        told("config = \"x\"\n"),
        "FILE:1: config: no option has this name: tcpkit config default lists all of them"
    );
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let told = complete(words("tcpkit -i eth0 --config /nowhere/tcpkit.toml"), &none).unwrap_err();
    assert_eq!(
        told.to_string(),
        "--config /nowhere/tcpkit.toml: No such file or directory (os error 2): give the name of a TOML file; tcpkit config default prints one"
    );
    assert_eq!(told.exit().code(), 2);
}

#[test]
fn a_variable_with_a_wrong_value_is_named() {
    let told = line("", &[("TCPKIT_SHARDS", "many")], "-i eth0").unwrap_err();
    assert_eq!(told, "TCPKIT_SHARDS: invalid value 'many' for '--shards <N>': invalid digit found in string");
    let told = line("", &[("TCPKIT_QUIET", "maybe")], "-i eth0").unwrap_err();
    assert_eq!(told, "TCPKIT_QUIET: is true or false: as in TCPKIT_QUIET=true");
}

#[test]
fn other_commands_are_left_alone() {
    let typed = words("tcpkit filter tcp port 80");
    let variable = |name: &str| (name == "TCPKIT_SHARDS").then(|| OsString::from("nonsense"));
    assert_eq!(complete(typed.clone(), &variable).unwrap(), typed);
}

#[test]
fn each_default_of_the_template_is_one_that_its_option_takes() {
    let text = template();
    let mut command = Args::command();
    command.build();
    let mut count = 0;
    for entry in text.lines().filter_map(|line| line.strip_prefix('#')) {
        let Some((name, value)) = entry.split_once(" = ") else { continue };
        let option = options(&command).find(|option| key(option) == name).expect(name);
        count += 1;
        if is_flag(option.get_action()) || !option.get_default_values().is_empty() {
            file::parse(&command, "template", &format!("{name} = {value}\n")).unwrap();
        }
    }
    assert_eq!(count, options(&command).count(), "each option stands in it once");
}

/// The options that these words ask for.
fn options_of(text: &str) -> AgentArgs {
    let mut all = vec![OsString::from("tcpkit")];
    all.extend(words(text));
    match crate::cli::parse(all) {
        Ok(crate::cli::Parsed::Run(args)) => args.agent,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_option_says_when_its_change_takes_effect() {
    let mut command = Args::command();
    command.build();
    let ids: Vec<_> = command.get_arguments().map(|option| option.get_id().as_str()).collect();
    for (id, _) in reload::CLASSIFIED {
        assert!(ids.contains(id), "{id} is no option");
    }
    for option in options(&command) {
        let id = option.get_id().as_str();
        let count = reload::CLASSIFIED.iter().filter(|(known, _)| *known == id).count();
        assert_eq!(count, 1, "{id}");
    }
}

#[test]
fn the_document_names_what_changes_at_a_reload() {
    let mut command = Args::command();
    command.build();
    let document = include_str!("../../../../docs/configuration.md");
    let section = document.split("## Reload").nth(1).expect("a section about it");
    for option in options(&command) {
        let row = format!("| `{}` |", key(option));
        let changes =
            reload::CLASSIFIED.iter().any(|(id, reach)| option.get_id() == id && *reach != Reach::Start);
        assert_eq!(section.contains(&row), changes, "{row}");
    }
}

#[test]
fn what_differs_is_told_by_its_name_in_the_file_and_taken_over_where_that_can_be() {
    let mut running = options_of("-i eth0 --shards 2 -p 80 --event-after 2");
    let new = options_of("-i eth0 --shards 3 -p 80,443 --event-after 2 -S x.lua port 80 or port 443");
    let told = running.take_over(&new);
    let told: Vec<_> = told.iter().map(|one| (one.option.as_str(), one.reach)).collect();
    let expected = [
        ("expression", Reach::Filter),
        ("port", Reach::Filter),
        ("shards", Reach::Start),
        ("script", Reach::Script),
    ];
    assert_eq!(told, expected);
    assert_eq!((running.filter.ports.len(), running.analysis.shards), (2, Some(2)));
    let again: Vec<_> = running.take_over(&new).into_iter().map(|one| one.option).collect();
    assert_eq!(again, ["shards"], "what waits for the next start goes on to differ");
    assert_eq!(running.clone().take_over(&running), []);
}

#[test]
fn a_run_reads_its_words_and_its_file_again() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "event-after = 2\nexpression = \"port 80\"\n").unwrap();
    let text = format!("-i eth0 --config {} --shards 2", file.path().display());
    let mut all = vec![OsString::from("tcpkit")];
    all.extend(words(&text));
    let origin = Origin::new(all, options_of(&text));
    assert_eq!(origin.file().map(PathBuf::as_path), Some(file.path()));
    std::fs::write(file.path(), "event-after = 3\nexpression = \"port 80\"\nshards = 4\n").unwrap();
    let told = origin.running().clone().take_over(&origin.read().unwrap());
    let told: Vec<_> = told.into_iter().map(|one| one.option).collect();
    assert_eq!(told, ["event-after"], "typed words go before the file");
    std::fs::write(file.path(), "event-after = 3\nevent-aftr = 3\n").unwrap();
    let refused = origin.read().unwrap_err().to_string();
    assert!(refused.contains(":2: event-aftr"), "{refused}");
}
