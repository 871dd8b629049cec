//! Names of models, and configurations that are refused.

use atoll_models::{Config, ModelConfig, PriceConfig, ProviderConfig, Registry, preset_names};
use atoll_ports::Models;
use testkit::permits::Counting;

fn read(text: &str) -> Result<Registry, String> {
    let config: Config = toml::from_str(text).map_err(|err| err.to_string())?;
    Registry::new(config, None, std::sync::Arc::new(Counting::default()))
        .map_err(|err| err.to_string())
}

const SOME: &str = r#"
default = "here"

[[providers]]
name = "here"
base_url = "http://127.0.0.1:9000/v1"
models = [{ name = "small", context_tokens = 8192 }, { name = "both" }, { name = "org/big" }]
default_model = "both"

[[providers]]
name = "away"
base_url = "https://models.example/v1"
key_env = "AWAY_KEY"
models = [{ name = "both" }, { name = "dear", price = { input_usd = 2.5, cached_usd = 0.25, output_usd = 10, dated = "2026-11-01" } }]

[[providers]]
name = "openai"
models = [{ name = "gpt-4o-mini" }]
"#;

fn resolve(name: &str) -> Result<String, String> {
    let choice = read(SOME).unwrap().resolve(name);
    choice.map(|c| c.model.to_string()).map_err(|err| err.words)
}

#[test]
fn names_are_found_in_full_alone_or_by_their_provider() {
    for (name, wanted) in [
        ("here/small", "here/small"),
        ("small", "here/small"),
        ("here", "here/both"),
        ("away", "away/both"),
        ("away/both", "away/both"),
        ("org/big", "here/org/big"),
        ("here/org/big", "here/org/big"),
        ("here/not-listed:7b", "here/not-listed:7b"),
        ("ollama/qwen2.5-coder:7b", "ollama/qwen2.5-coder:7b"),
        ("openrouter/maker/model:free", "openrouter/maker/model:free"),
        (" small ", "here/small"),
    ] {
        assert_eq!(resolve(name).as_deref(), Ok(wanted), "{name}");
    }
}

#[test]
fn a_name_that_is_not_found_says_what_there_is() {
    assert_eq!(
        resolve("both").unwrap_err(),
        "several providers have `both`: say here/both, away/both"
    );
    let unknown = resolve("nope").unwrap_err();
    assert!(
        unknown.contains("here/small") && unknown.contains("ollama"),
        "{unknown}"
    );
    assert!(resolve("ollama").unwrap_err().contains("ollama/MODEL"));
    let none = read("").unwrap().resolve("x").unwrap_err().words;
    assert!(none.contains("none is configured"), "{none}");
    for odd in [
        "",
        "/",
        "here/",
        "here/a b",
        "here/\u{1b}[2J",
        &"x".repeat(100_000),
        &format!("here/{}", "x".repeat(300)),
    ] {
        let words = resolve(odd).unwrap_err();
        assert!(words.len() < 2_000, "{words}");
    }
}

#[test]
fn a_choice_says_where_it_is_and_what_is_known_of_its_price() {
    let models = read(SOME).unwrap();
    let of = |name| models.resolve(name).unwrap();
    let small = of("small");
    assert_eq!(
        (
            small.endpoint.as_str(),
            small.remote,
            small.priced,
            small.price
        ),
        ("127.0.0.1:9000", false, true, None)
    );
    assert_eq!(
        (small.context_tokens, small.output_tokens_max),
        (8192, 4096)
    );
    let unknown = of("away/both");
    assert_eq!(
        (unknown.remote, unknown.priced, unknown.price),
        (true, false, None)
    );
    assert_eq!(unknown.key_env.as_deref(), Some("AWAY_KEY"));
    let dear = of("dear").price.unwrap();
    assert_eq!(
        (dear.input_micros, dear.cached_micros, dear.output_micros),
        (2_500_000, 250_000, 10_000_000)
    );
    let listed = of("gpt-4o-mini");
    assert_eq!(listed.price.map(|p| p.input_micros), Some(150_000));
    assert_eq!(
        (listed.endpoint.as_str(), listed.key_env.as_deref()),
        ("api.openai.com:443", Some("OPENAI_API_KEY"))
    );
    assert_eq!(
        models
            .default_model()
            .map(|c| c.model.to_string())
            .as_deref(),
        Some("here/both")
    );
    assert_eq!(models.configured().len(), 6);
    assert!(read("").unwrap().default_model().is_none());
}

#[test]
fn every_preset_can_be_named_without_configuration() {
    let models = read("").unwrap();
    for name in preset_names() {
        let choice = models.resolve(&format!("{name}/x")).unwrap();
        assert_eq!(choice.remote, choice.key_env.is_some(), "{name}");
        assert!(
            !choice.remote || choice.endpoint.ends_with(":443"),
            "{name}"
        );
    }
    assert!(models.configured().is_empty());
}

#[test]
fn a_preset_knows_its_wire_and_ollamas_old_address_is_understood() {
    let wire = |text: &str, name: &str| {
        let choice = read(text).unwrap().resolve(name).unwrap();
        (choice.wire, choice.endpoint)
    };
    let here = ("ollama".to_owned(), "127.0.0.1:11434".to_owned());
    assert_eq!(wire("", "ollama/x"), here);
    let old = "[[providers]]\nname = \"ollama\"\nbase_url = \"http://127.0.0.1:11434/v1/\"";
    assert_eq!(wire(old, "ollama/x"), here);
    let chat = format!("{old}\nwire = \"chat-completions\"");
    assert_eq!(wire(&chat, "ollama/x").0, "chat-completions");
    assert_eq!(wire("", "anthropic/x").0, "anthropic-messages");
    assert_eq!(wire("", "openai/x").0, "chat-completions");
    let price = |name| read("").unwrap().resolve(name).unwrap().price.unwrap();
    let dear = price("anthropic/claude-opus-4-5-20251101");
    assert_eq!(
        (
            dear.input_micros,
            dear.cached_micros,
            dear.cache_write_micros,
            dear.output_micros
        ),
        (5_000_000, 500_000, Some(6_250_000), 25_000_000)
    );
}

#[test]
fn thinking_is_a_word_or_a_number_of_tokens() {
    for (text, holds) in [
        ("\"on\"", true),
        ("\"adaptive\"", true),
        ("4096", true),
        ("\"a lot\"", false),
        ("-3", false),
    ] {
        let config = format!(
            "[[providers]]\nname = \"ollama\"\nmodels = [{{ name = \"x\", thinking = {text}, images = false }}]"
        );
        assert_eq!(read(&config).is_ok(), holds, "{text}");
    }
}

#[test]
fn a_presets_key_is_not_sent_to_another_address_under_its_name() {
    let models =
        read("[[providers]]\nname = \"openai\"\nbase_url = \"https://evil.example/v1\"").unwrap();
    let choice = models.resolve("openai/gpt-4o").unwrap();
    assert_eq!(
        (choice.key_env, choice.price, choice.priced),
        (None, None, false)
    );
}

#[test]
fn a_gateway_on_loopback_can_be_declared_remote() {
    let models = read(
        "[[providers]]\nname = \"gate\"\nbase_url = \"http://127.0.0.1:4000/v1\"\nremote = true",
    )
    .unwrap();
    let choice = models.resolve("gate/x").unwrap();
    assert!(choice.remote && !choice.priced);
}

#[test]
fn what_makes_no_sense_is_refused_in_words() {
    let provider = |lines: &str| {
        format!("[[providers]]\nname = \"p\"\nbase_url = \"https://h.example/v1\"\n{lines}")
    };
    let long = "x".repeat(65);
    for (text, words) in [
        ("[[providers]]\nname = \"p\"".to_owned(), "has no base_url"),
        ("[[providers]]\nname = \"p\"\npreset = \"nope\"\nbase_url = \"https://h\"".into(), "no preset `nope`"),
        ("[[providers]]\nname = \"a/b\"\nbase_url = \"https://h\"".into(), "can't be a provider's name"),
        (format!("[[providers]]\nname = \"{long}\"\nbase_url = \"https://h\""), "can't be a provider's name"),
        (format!("{}\n{}", provider(""), provider("")), "each name once"),
        ("[[providers]]\nname = \"p\"\nbase_url = \"http://10.0.0.1/v1\"".into(), "insecure = true"),
        ("[[providers]]\nname = \"p\"\nbase_url = \"https://u:pw@h/v1\"".into(), "holds a password"),
        (provider("headers = { Authorization = \"Bearer x\" }"), "keys come from"),
        (provider("headers = { \"a b\" = \"x\" }"), "it is no name"),
        (provider("headers = { x = \"a\\nb\" }"), "can't be sent"),
        (provider("proxy = \"socks5://h:1\""), "http://host:port"),
        ("[[providers]]\nname = \"p\"\nbase_url = \"http://127.0.0.1/v1\"\nproxy = \"http://h:1\"".into(), "use https"),
        (provider("models = [{ name = \"m\", price = { input_usd = -1, output_usd = 1 } }]"), "US dollars"),
        (provider("models = [{ name = \"m\", context_tokens = 0 }]"), "from 1 to"),
        (provider("models = [{ name = \"m\", context_tokens = 10, output_tokens_max = 10 }]"), "more than its window"),
        (provider("models = [{ name = \"a b\" }]"), "must be printable"),
        (provider("nonsense = 1"), "unknown field"),
        (provider("wire = \"telepathy\""), "unknown variant"),
        ("default = \"nope\"".into(), "the default model"),
        ("[timeouts]\nidle_ms = 0".into(), "idle_ms must be"),
        ("[retries]\nattempts_max = 100".into(), "attempts_max must be"),
        ("[retries]\nwait_ms_min = 100\nwait_ms_max = 10".into(), "wait_ms_max must be"),
    ] {
        let err = read(&text).err().unwrap_or_default();
        assert!(err.contains(words), "{text}\n-> {err}");
        assert!(!err.contains("pw"), "{err}");
    }
}

#[test]
fn a_configuration_survives_being_written_and_read() {
    let config = Config {
        default: Some("p/m".into()),
        providers: vec![ProviderConfig {
            name: "p".into(),
            base_url: Some("https://h.example/v1".into()),
            headers: [("x-title".to_owned(), "Atoll".to_owned())].into(),
            models: vec![ModelConfig {
                name: "m".into(),
                price: Some(PriceConfig {
                    input_usd: 0.15,
                    cached_usd: None,
                    cache_write_usd: None,
                    output_usd: 0.6,
                    dated: String::new(),
                }),
                ..ModelConfig::default()
            }],
            ..ProviderConfig::default()
        }],
        ..Config::default()
    };
    let text = toml::to_string(&config).unwrap();
    assert_eq!(toml::from_str::<Config>(&text).unwrap(), config);
}
