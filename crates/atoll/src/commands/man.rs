//! The manual pages, for whoever packages: `atoll --man` names them, `atoll --man PAGE` writes one.

use atoll_api::{Error, codes};
use clap::Command;

use crate::app::out;
use crate::commands::completion::shown;

/// Every page: its name and its command.
fn pages(command: &Command, name: &str, found: &mut Vec<(String, Command)>) {
    let page = command.clone().display_name(name.to_owned());
    found.push((name.to_owned(), page));
    for sub in command.get_subcommands().filter(|c| !c.is_hide_set()) {
        pages(sub, &format!("{name}-{}", sub.get_name()), found);
    }
}

/// Writes the names, or the page called `wanted`.
pub fn run(wanted: Option<&str>) -> Result<u8, Error> {
    let mut command = shown();
    command.build();
    let mut found = Vec::new();
    pages(&command, "atoll", &mut found);
    let Some(wanted) = wanted else {
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        out(format!("{}\n", names.join("\n")).as_bytes());
        return Ok(0);
    };
    let page = found.into_iter().find(|(name, _)| name == wanted);
    let Some((name, command)) = page else {
        let words = format!("there is no manual page {wanted}");
        return Err(Error::new(codes::NO_SUCH, words).next("atoll --man"));
    };
    out(&render(&name, command)?);
    Ok(0)
}

fn render(name: &str, command: Command) -> Result<Vec<u8>, Error> {
    let examples = command.get_after_help().map(ToString::to_string);
    let nested = command.get_subcommands().any(|c| !c.is_hide_set());
    let man = clap_mangen::Man::new(command)
        .title(name.to_uppercase())
        .date("")
        .manual("Atoll");
    let mut page = Vec::new();
    let written = man
        .render_title(&mut page)
        .and_then(|()| man.render_name_section(&mut page))
        .and_then(|()| man.render_synopsis_section(&mut page))
        .and_then(|()| man.render_description_section(&mut page))
        .and_then(|()| man.render_options_section(&mut page))
        .and_then(|()| match nested {
            true => man.render_subcommands_section(&mut page),
            false => Ok(()),
        });
    written.map_err(|err| Error::new(codes::BUG, err.to_string()))?;
    if let Some(examples) = examples {
        page.extend_from_slice(section(&examples).as_bytes());
    }
    Ok(page)
}

/// The examples, line by line as they stand.
fn section(examples: &str) -> String {
    let mut out = String::from(".SH EXAMPLES\n.nf\n");
    for line in examples.lines().filter(|l| *l != "Examples:") {
        let line = line.trim_start().replace('\\', "\\e").replace('-', "\\-");
        // A dot or a quote at its start would be a request.
        out.push_str(&format!("\\&{line}\n"));
    }
    out.push_str(".fi\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command_examples(page: &str) -> bool {
        page.contains(".SH EXAMPLES\n.nf\n\\&atoll")
    }

    #[test]
    fn each_command_has_a_page_and_what_is_hidden_has_none() {
        let mut command = shown();
        command.build();
        let mut found = Vec::new();
        pages(&command, "atoll", &mut found);
        assert!(found.len() > 30, "{}", found.len());
        for (name, command) in found {
            let page = String::from_utf8(render(&name, command).unwrap()).unwrap();
            assert!(page.contains(".SH NAME"), "{name}");
            assert!(!page.contains("lifeline"), "{name}");
            let leaf = command_examples(&page);
            assert_eq!(leaf, !page.contains(".SH SUBCOMMANDS"), "{name}");
        }
    }
}
