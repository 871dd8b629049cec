//! Where a value comes from: a hidden line, standard input, a variable, a file. Never an argument.

use std::io::Read;
use std::path::Path;

use atoll_api::{Error, Hidden, codes};
use atoll_domain::SecretName;
use atoll_ports::vault::{Secret, VALUE_BYTES_MAX};
use zeroize::Zeroizing;

use crate::app::App;
use crate::term::{self, Unseen};

fn bad(why: impl Into<String>) -> Error {
    Error::new(codes::SECRET_BAD, why)
}

/// The value, checked as the vault will.
pub fn read(
    app: &App,
    name: &SecretName,
    variable: Option<&str>,
    file: Option<&Path>,
) -> Result<Hidden, Error> {
    let bytes = match (variable, file) {
        (Some(variable), _) => of_variable(variable)?,
        (None, Some(file)) => {
            let opened = std::fs::File::open(file);
            let unreadable = |err: std::io::Error| {
                bad("the value can't be read").found(format!("{}: {err}", file.display()))
            };
            without_end(bounded(opened.map_err(unreadable)?).map_err(unreadable)?)
        }
        (None, None) if app.terminal.stdin => typed(&format!("Value of {name} (not shown): "))?,
        (None, None) => {
            let unreadable =
                |err: std::io::Error| bad("the value can't be read").found(err.to_string());
            without_end(bounded(std::io::stdin().lock()).map_err(unreadable)?)
        }
    };
    checked(bytes)
}

/// As the vault takes it.
pub fn checked(bytes: Zeroizing<Vec<u8>>) -> Result<Hidden, Error> {
    let value = Secret::of_bytes(bytes)
        .map_err(|err| bad(err.to_string()).next("atoll secret set NAME < FILE"))?;
    Ok(Hidden(Zeroizing::new(value.expose().to_owned())))
}

/// What a variable of the caller's environment holds.
pub fn of_variable(name: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
    use std::os::unix::ffi::OsStringExt;
    let value = std::env::var_os(name);
    let value = value.ok_or_else(|| bad(format!("the variable {name} is not set here")))?;
    Ok(Zeroizing::new(value.into_vec()))
}

/// One byte more than is taken, at most: that it is too long is seen by that.
fn bounded(from: impl Read) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(VALUE_BYTES_MAX + 3));
    from.take(VALUE_BYTES_MAX as u64 + 3)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Without the line end that editors and `echo` put behind it.
fn without_end(mut bytes: Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    bytes
}

/// A line typed unseen.
pub fn typed(prompt: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
    match term::unseen(prompt, VALUE_BYTES_MAX) {
        Unseen::Line(line) => Ok(line),
        Unseen::Stopped => Err(Error::new(codes::CANCELLED, "it was stopped")),
        Unseen::Long => Err(bad(format!("it has more than {VALUE_BYTES_MAX} bytes"))),
        Unseen::Ended => Err(bad("nothing was typed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_end_goes() {
        for (given, want) in [
            ("a", "a"),
            ("a\n", "a"),
            ("a\r\n", "a"),
            ("a\n\n", "a\n"),
            ("\n", ""),
        ] {
            let got = without_end(Zeroizing::new(given.as_bytes().to_vec()));
            assert_eq!(got.as_slice(), want.as_bytes(), "{given:?}");
        }
    }
}
