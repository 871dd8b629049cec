//! `atoll explain`.

use atoll_api::{Error, codes};

use crate::app::App;

/// The pages, as they stand in `docs/errors`.
macro_rules! pages {
    ($($number:literal),* $(,)?) => {
        const PAGES: &[(&str, &str)] = &[$((
            concat!("ATL-", $number),
            include_str!(concat!("../../../../docs/errors/ATL-", $number, ".md")),
        )),*];
    };
}

#[rustfmt::skip]
pages![
    "0101", "0102", "0103", "0104", "0105", "0201", "0202", "0203",
    "0204", "0205", "0206", "0207", "0208", "0209", "0210", "0301", "0302", "0303",
    "0304", "0305", "0306", "0321", "0322", "0323", "0324", "0325", "0326", "0412", "0413", "0415", "0416",
    "0417", "0418", "0501", "0502", "0503", "0504", "0505", "0506",
    "0507", "0601", "0602", "0603", "0604", "0605", "0606", "0607", "0608", "0701",
    "0702", "0703", "0704", "0705", "0707", "0708", "0801", "0802", "0803",
    "0804", "0805", "0806", "0807", "0901",
];

/// Prints the page of an error code.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  atoll explain ATL-0412\n  atoll explain 412")]
pub struct Args {
    /// The code, with or without ATL-.
    #[arg(value_name = "CODE")]
    code: String,
}

fn page(code: &str) -> Option<(&'static str, &'static str)> {
    let digits = code.trim().to_ascii_uppercase();
    let digits = digits.strip_prefix("ATL-").unwrap_or(&digits);
    let wanted = format!("ATL-{:04}", digits.parse::<u16>().ok()?);
    PAGES.iter().find(|(name, _)| *name == wanted).copied()
}

pub fn run(app: &App, args: &Args) -> Result<u8, Error> {
    let Some((code, text)) = page(&args.code) else {
        return Err(Error::new(
            codes::NO_SUCH,
            format!("there is no error code {}", args.code),
        )
        .next("codes look like ATL-0412; an error prints its own"));
    };
    let data = serde_json::json!({ "code": code, "page": text });
    app.show_paged("page", &data, |style| {
        let bold = |line: &str| style.bold(line.trim_start_matches('#').trim());
        let lines = text.lines().map(|l| {
            if l.starts_with('#') {
                bold(l)
            } else {
                l.to_owned()
            }
        });
        lines.collect::<Vec<_>>().join("\n") + "\n"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_its_page_and_each_page_its_code() {
        for code in codes::ALL {
            let (_, text) = page(&code.to_string()).unwrap_or_else(|| panic!("{code} has no page"));
            assert!(
                text.starts_with(&format!("# {code}: {}", code.title)),
                "{code}"
            );
        }
        assert_eq!(PAGES.len(), codes::ALL.len());
        assert_eq!(page("412").unwrap().0, "ATL-0412");
        assert_eq!(page("atl-0412").unwrap().0, "ATL-0412");
        assert!(page("ATL-9999").is_none() && page("x").is_none());
    }
}
