//! Serves a script of replies on the chat completions wire.
//!
//!     cargo run -p testkit --example scripted-server -- FILE [PORT] [KEY]
//!
//! FILE holds a JSON array of replies, or one reply or recorded exchange a line. The address is printed on
//! standard output; it ends when standard input does.

use std::io::Read;
use std::process::ExitCode;

use testkit::provider::{Options, Script, Server};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(words) => {
            eprintln!("scripted-server: {words}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), String> {
    let mut args = std::env::args().skip(1);
    let file = args
        .next()
        .ok_or("name a file: scripted-server FILE [PORT] [KEY]")?;
    let port = args.next().map_or(Ok(0), |p| {
        p.parse().map_err(|_| format!("`{p}` is no port"))
    })?;
    let key = args.next();
    let text = std::fs::read_to_string(&file).map_err(|err| format!("{file}: {err}"))?;
    let script = Script::parse(&text).map_err(|err| format!("{file}: {err}"))?;
    let options = Options {
        port,
        key,
        ..Options::default()
    };
    let server = Server::with(script, options).map_err(|err| format!("can't listen: {err}"))?;
    println!("{}", server.base_url());
    // Whoever started it ends it by closing standard input.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    eprintln!("{} requests served", server.requests().len());
    Ok(())
}
