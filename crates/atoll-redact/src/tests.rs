use super::*;
use proptest::prelude::*;

/// Key and what it becomes, put together here so that no scanner takes this file for a leak.
fn positives() -> Vec<(String, &'static str)> {
    let x = |n: usize| {
        "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA"
            .chars()
            .cycle()
            .take(n)
            .collect::<String>()
    };
    vec![
        (format!("AKIA{}", "Q3EGTY7ZXCVBNM2L"), "aws-key-id"),
        (format!("ghp_{}", x(36)), "github"),
        (format!("gho_{}", x(36)), "github"),
        (format!("github_pat_{}", x(60)), "github"),
        (format!("glpat-{}", x(20)), "gitlab"),
        (format!("xoxb-123456789012-{}", x(24)), "slack"),
        (format!("xapp-1-A0123-{}", x(24)), "slack"),
        (format!("sk-{}", x(48)), "openai"),
        (format!("sk-proj-{}", x(80)), "openai"),
        (format!("sk-ant-api03-{}", x(90)), "anthropic"),
        (format!("AIza{}", x(35)), "google"),
        (format!("GOCSPX-{}", x(28)), "google"),
        (format!("sk_live_{}", x(24)), "stripe"),
        (format!("rk_test_{}", x(24)), "stripe"),
        (format!("whsec_{}", x(32)), "stripe"),
        (format!("npm_{}", x(36)), "npm"),
        (format!("pypi-{}", x(100)), "pypi"),
        (format!("hf_{}", x(34)), "huggingface"),
        (format!("SG.{}.{}", x(22), x(43)), "sendgrid"),
        (
            format!("dop_v1_{}", "0123456789abcdef".repeat(4)),
            "digitalocean",
        ),
        (format!("hvs.{}", x(90)), "vault"),
        (
            format!(
                "AGE-SECRET-KEY-1{}",
                "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L".repeat(2)
            ),
            "age",
        ),
        (format!("dckr_pat_{}", x(27)), "docker"),
        (format!("1234567890:AA{}", x(33)), "telegram"),
        (format!("eyJ{}.eyJ{}.{}", x(20), x(40), x(43)), "jwt"),
    ]
}

fn private_key(label: &str) -> String {
    let line = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";
    format!("-----BEGIN {label}-----\n{line}\n{line}\n-----END {label}-----")
}

#[test]
fn known_keys_are_taken_out_wherever_they_stand() {
    for (key, kind) in positives() {
        let mark = format!("[redacted:{kind}]");
        for (before, after) in [
            ("", ""),
            ("key: ", "\n"),
            ("\"", "\","),
            ("(", ")"),
            ("é ", " ü"),
            ("a=1&k=", "&b"),
            ("\\n", "\\n"),
        ] {
            let (count, out) = redact(&format!("{before}{key}{after}"));
            assert_eq!(
                (count, out),
                (1, format!("{before}{mark}{after}")),
                "{kind}"
            );
        }
    }
}

#[test]
fn private_keys_go_whole_whatever_their_armour() {
    for label in [
        "PRIVATE KEY",
        "RSA PRIVATE KEY",
        "EC PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
        "PGP PRIVATE KEY BLOCK",
    ] {
        let key = private_key(label);
        let mark = "[redacted:private-key]";
        assert_eq!(
            redact(&format!("a\n{key}\nb {key} c")),
            (2, format!("a\n{mark}\nb {mark} c")),
            "{label}"
        );
        let escaped = key.replace('\n', "\\n");
        assert_eq!(
            redact(&format!("{{\"k\": \"{escaped}\\n\"}}")).1,
            format!("{{\"k\": \"{mark}\\n\"}}")
        );
        let (count, out) = redact(&format!("{}\n(prose)", &key[..120]));
        assert_eq!((count, out.as_str()), (1, "[redacted:private-key](prose)"));
    }
    for public in ["PUBLIC KEY", "CERTIFICATE", "RSA PUBLIC KEY"] {
        assert_eq!(redact(&private_key(public)).0, 0, "{public}");
    }
}

#[test]
fn passwords_in_addresses_go_and_the_rest_stays() {
    for (text, wanted) in [
        (
            "postgres://app:Tr0ub4dor@db.example/x",
            "postgres://app:[redacted:url-password]@db.example/x",
        ),
        (
            "https://x-access-token:abcdefg@git.example/r.git",
            "https://x-access-token:[redacted:url-password]@git.example/r.git",
        ),
        (
            "redis://:hunter22@cache:6379",
            "redis://:[redacted:url-password]@cache:6379",
        ),
        (
            "Authorization: Bearer 0a1b2c3d4e5f6071829304a5b6c7d8e9",
            "Authorization: Bearer [redacted:authorization]",
        ),
        (
            "curl -H 'authorization: basic dXNlcjpwYXNzd29yZDEyMzQ1Ng=='",
            "curl -H 'authorization: basic [redacted:authorization]'",
        ),
        (
            "https://hooks.slack.com/services/T0AAAAAA1/B0BBBBBB2/cccccccccccccccccccccccc",
            "https://hooks.slack.com/services/[redacted:slack-hook]",
        ),
    ] {
        assert_eq!(redact(text), (1, wanted.to_owned()));
    }
}

#[test]
fn assignments_with_a_random_value_go() {
    for (text, wanted) in [
        ("DB_PASSWORD=k3Jx9QpLm2Vt", "DB_PASSWORD=[redacted:secret]"),
        (
            "password: \"k3Jx9!pLm2Vt\"",
            "password: \"[redacted:secret]\"",
        ),
        (
            "{\"apiKey\":\"9f8e7d6c5b4a39281706\"}",
            "{\"apiKey\":\"[redacted:secret]\"}",
        ),
        (
            "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzzKEY1",
            "aws_secret_access_key = [redacted:secret]",
        ),
        (
            "//registry.example/:_authToken=0a1b2c3d4e5f607182",
            "//registry.example/:_authToken=[redacted:secret]",
        ),
        (
            "client_secret => '8Q~x1kdjfZpQ0sdkfj2'",
            "client_secret => '[redacted:secret]'",
        ),
        (
            r#"{"content":"{\"apiKey\": \"9f8e7d6c5b4a39281706\"}"}"#,
            r#"{"content":"{\"apiKey\": \"[redacted:secret]\"}"}"#,
        ),
        (
            "mysql --user=app --password k3Jx9QpLm2Vt db",
            "mysql --user=app --password [redacted:secret] db",
        ),
        (
            "export TOKEN=550e8400-e29b-41d4-a716-446655440000",
            "export TOKEN=[redacted:secret]",
        ),
    ] {
        assert_eq!(redact(text), (1, wanted.to_owned()));
    }
}

#[test]
fn code_and_prose_stay_as_they_are() {
    for text in [
        "let token = next_token(&mut self.tokens)?;",
        "password = get_password(prompt)",
        "password=hunter2",
        "mysql -u root -p app_db2 < dump2.sql",
        "mkdir -p build2/dir && cargo test -p atoll-redact2",
        "tool -passthrough-mode2 bypass: everything2do",
        "run --token-file /etc/app1/token2 --auth basic-auth-2",
        "token: String,",
        "token: parser.token2",
        "secret = os.environ[\"SECRET_V2\"]",
        "API_KEY=${API_KEY}",
        "api_key = config.api_key",
        "API_KEY=your_api_key_here",
        "auth: sha256_of_password1",
        "TOKEN=AUTH_TOKEN_V2",
        "max_tokens=128000",
        "\"token\": \"********************\"",
        "tokens: 1234567890123",
        "password: aaaaaaaaaaaaa1",
        "ssh://git@github.com/owner/name.git",
        "http://localhost:8080/a@b",
        "postgres://postgres:postgres@localhost/db",
        "mysql://root:password@127.0.0.1",
        "postgres://user:${PGPASSWORD}@host/db",
        "class=\"sk-folding-cube-animation-wrapper\"",
        "the sk-learn-contrib-project-template-name",
        "xoxb-your-token-goes-here-please",
        "AKIA is how they begin",
        "AKIAQ3EGTY7ZXCVBNM2LX and longer",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
        "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==",
        "eyJhbGciOiJIUzI1NiJ9 alone",
        "Basic authentication is described below, bearer tokens-are-explained-later-on",
        "-----BEGIN CERTIFICATE-----",
        "--- BEGIN PRIVATE KEY ---",
        "",
    ] {
        assert_eq!(redact(text), (0, text.to_owned()));
    }
}

#[test]
fn manifests_of_secrets_lose_their_values_under_any_name() {
    let secret = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\ndata:\n  user: YXBwdXNlcg==\n  url: \"cG9zdGdyZXM6Ly8=\"\ntype: Opaque\n";
    let (count, out) = redact(&format!(
        "kind: ConfigMap\ndata:\n  user: YXBwdXNlcg==\n---\n{secret}"
    ));
    assert_eq!(count, 2, "{out}");
    assert!(
        out.starts_with("kind: ConfigMap\ndata:\n  user: YXBwdXNlcg=="),
        "{out}"
    );
    assert!(
        out.contains("  url: \"[redacted:kubernetes-secret]\"\ntype: Opaque"),
        "{out}"
    );
    let turned = "data:\n  user: YXBwdXNlcg==\nkind: Secret\n";
    assert_eq!(
        redact(turned).1,
        "data:\n  user: [redacted:kubernetes-secret]\nkind: Secret\n"
    );
    assert_eq!(
        redact("kind: SecretStore\ndata:\n  user: YXBwdXNlcg==\n").0,
        0
    );
}

#[test]
fn secrets_in_odd_places_go() {
    let (word, long) = ("S3cr3tP4ssQz9", "wJalrXUtnFEMIzK7MDENGzbPxRfiCYzzzqzzKEY1");
    for text in [
        format!("aws configure set aws_secret_access_key {long}"),
        format!("kubectl create secret generic x --from-literal=password={word}"),
        format!("mysql -uroot -p{word} app"),
        format!("sshpass -p '{word}' ssh app@host"),
        format!("jdbc:mysql://host/db?user=root&password={word}&ssl=true"),
        format!("Server=tcp:x;User Id=app;Password={word};Encrypt=True"),
        format!("\"connectionString\": \"Server=x;Pwd={word};\""),
        format!("{{\"auths\": {{\"r\": {{\"auth\": \"{long}\"}}}}}}"),
        "Set-Cookie: sessionid=38afes7a8q2k4j5h6g7f8d9s0; Path=/".into(),
        "Cookie: JSESSIONID=A1B2C3D4E5F60718293A4B5C6D7E8F90".into(),
        format!("openssl rsa -passin pass:{word} -in k.pem"),
        format!("\"db_password\": {{\n  \"value\": \"{word}\""),
        format!("<string name=\"api_key\">{long}</string>"),
        format!("<key>ApiSecret</key>\n\t<string>{long}</string>"),
        format!("password = \"\"\"{word}\"\"\""),
        format!("set -gx API_TOKEN {long}"),
        format!("{{\"key\":\"password\",\"value\":\"{word}\"}}"),
        format!(
            "https://api.telegram.org/bot7012345678:AA{}/getMe",
            &long[..33]
        ),
        format!("API_KEY%3D{long}%26x"),
        format!("| `api_key` | `{long}` |"),
        format!("db.internal:5432:app:app:{word}"),
    ] {
        let (count, out) = redact(&text);
        assert!(
            count > 0 && !out.contains(word) && !out.contains(&long[..33]),
            "{text}: {out}"
        );
    }
}

#[test]
fn names_in_prose_have_several_words() {
    for name in [
        "API key",
        "Secret access key",
        "client secret",
        "Access Key",
    ] {
        let text = format!("{name}: 9f8e7d6c5b4a39281706f5e4d3c2b1a0, use it well");
        assert_eq!(redact(&text).0, 1, "{text}");
    }
    assert_eq!(
        redact("The key: 9f8e7d6c5b4a39281706f5e4d3c2b1a0, cached").0,
        0
    );
}

#[test]
fn a_piece_of_a_blob_is_no_key_and_a_key_in_a_list_is() {
    let (id, secret) = (
        "AKIAQ3EGTY7ZXCVBNM2L",
        "wJalrXUtnFEMIzK7MDENGzbPxRfiCYzzzqzzKEY1",
    );
    let blob = "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zAaB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA";
    for text in [
        format!("{blob}/{id}+{blob}"),
        format!("{blob}\n{id}"),
        format!("sha256={id}"),
    ] {
        assert_eq!(redact(&text).0, 0, "{text}");
    }
    for text in [
        format!("{id},{secret}\n{id},{secret}"),
        format!("{secret}\n{id}\n{secret}\n{id}"),
    ] {
        assert!(!redact(&text).1.contains(id), "{text}");
    }
}

#[test]
fn a_long_value_goes_whole_and_a_name_alone_stays() {
    let long = "aB3dE5gH7jK9mN1p".repeat(100);
    assert_eq!(
        redact(&format!("SESSION_TOKEN={long} x")).1,
        "SESSION_TOKEN=[redacted:secret] x"
    );
    let code = "if pem.starts_with(\"-----BEGIN PRIVATE KEY-----\") { return Err(Bad); }";
    assert_eq!(redact(code), (0, code.to_owned()));
}

#[test]
fn overlapping_finds_are_one_place() {
    let key = format!("sk-{}", "aB3dE5gH7j".repeat(4));
    assert_eq!(
        redact(&format!("API_KEY={key}")),
        (1, "API_KEY=[redacted:openai]".into())
    );
    let within = format!("-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----");
    assert_eq!(redact(&within), (1, "[redacted:private-key]".into()));
}

#[test]
fn what_is_too_long_to_read_is_not_sent() {
    let key = format!("sk-{}", "aB3dE5gH7j".repeat(4));
    let text = format!("a a aé {key} b");
    // The limit falls inside a character, inside the key, behind it, behind all; and there may be no blank at all.
    assert_eq!(redact_up_to(&text, 6), (1, "a a [redacted:unread]".into()));
    assert_eq!(
        redact_up_to(&text, 20),
        (1, "a a aé [redacted:unread]".into())
    );
    assert_eq!(
        redact_up_to(&text, text.len() - 1),
        (2, "a a aé [redacted:openai] [redacted:unread]".into())
    );
    assert_eq!(
        redact_up_to(&text, text.len()),
        (1, "a a aé [redacted:openai] b".into())
    );
    assert_eq!(redact_up_to(&key, 20), (1, "[redacted:unread]".into()));
}

/// Counts instead of a clock: the places that are found grow with the text and no faster. That the work does is
/// seen by this test's ending at all: quadratic work on these would take hours.
#[test]
fn hostile_texts_end() {
    let n = 100_000;
    for piece in [
        "-----BEGIN PRIVATE KEY-----",
        "password=",
        "eyJaaaaaaaaaaa.",
        "a://b:",
        "sk-",
        "token token ",
        "AKIA",
        "bearer ",
    ] {
        let (count, _) = redact(&piece.repeat(n / piece.len()));
        assert!(count <= n as u64, "{piece}");
    }
}

fn fragment() -> impl Strategy<Value = String> {
    let keys: Vec<String> = positives().into_iter().map(|(k, _)| k).collect();
    prop_oneof![
        prop::sample::select(keys),
        Just(private_key("RSA PRIVATE KEY")),
        Just("-----BEGIN PRIVATE KEY-----\nMIIE".to_owned()),
        Just("password=".to_owned()),
        Just("Tr0ub4dor3xyz".to_owned()),
        Just("https://user:".to_owned()),
        Just("@host".to_owned()),
        Just("Bearer ".to_owned()),
        Just("[redacted:openai]".to_owned()),
        "[ -~\n]{0,6}",
        "[a-zA-Z0-9_=.:/@-]{0,20}",
        Just("é".to_owned()),
    ]
}

proptest! {
    #[test]
    fn a_second_run_changes_nothing(parts in prop::collection::vec(fragment(), 0..8)) {
        let (_, once) = redact(&parts.concat());
        let (count, twice) = redact(&once);
        prop_assert_eq!(&twice, &once);
        prop_assert_eq!(count, 0);
    }

    #[test]
    fn a_key_between_blanks_never_passes(
        before in "[ -~é\n]{0,40}", after in "[ -~é\n]{0,40}", (key, _) in prop::sample::select(positives()),
    ) {
        let (_, out) = redact(&format!("{before} {key} {after}"));
        prop_assert!(!out.contains(&key), "{}", out);
    }
}
