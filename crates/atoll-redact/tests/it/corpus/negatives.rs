//! What looks like a secret and is none: made of the same chance, in the places where it stands every day.

use std::fmt::Write as _;

use super::rng::Rng;

/// A file without a secret: its path and its text.
pub type Plain = (&'static str, String);

type Make = fn(&mut Rng) -> String;

/// Each with its path; every third is left out while rules are tuned.
pub const FILES: &[(&str, Make)] = &[
    ("package-lock.json", package_lock),
    ("yarn.lock", yarn_lock),
    ("pnpm-lock.yaml", pnpm_lock),
    ("Cargo.lock", cargo_lock),
    ("go.sum", go_sum),
    ("poetry.lock", poetry_lock),
    ("composer.lock", composer_lock),
    ("flake.lock", flake_lock),
    (".terraform.lock.hcl", terraform_lock),
    ("requirements.txt", requirements),
    ("dist/app.3f2a91bc.js", minified),
    ("dist/runtime.js", chunks),
    ("dist/style.css", data_uris),
    ("dist/app.js.map", source_map),
    ("dump.sql", sql_dump),
    ("ids.csv", uuids),
    ("git.log", git_log),
    ("images.yaml", digests),
    ("sbom.json", sbom),
    ("pods.yaml", pods),
    ("proxy.log", proxy_log),
    ("cert.pem", certificates),
    ("authorized_keys", public_keys),
    ("sums.txt", checksums),
    ("snapshot.snap", snapshots),
    ("logo.svg.ts", base64_image),
    ("hex.c", bytes),
    ("numbers.csv", numbers),
    ("state.json", caches),
];

pub fn held_out(path: &str) -> bool {
    super::rng::crc32(path.as_bytes()).is_multiple_of(3)
}

const PACKAGES: &[&str] = &[
    "left-pad",
    "jsonwebtoken",
    "passport-auth0",
    "dropbox",
    "secret-stack",
    "token-stream",
    "keyv",
    "@auth/core",
    "discord.js",
    "twitter-api",
    "sentry",
    "datadog-metrics",
    "algoliasearch",
    "key-tree",
    "password-prompt",
    "cookie-session",
    "credentials-provider",
    "stripe",
    "twilio",
    "fastly-magento",
];

fn lines(n: usize, mut line: impl FnMut() -> String) -> String {
    (0..n).map(|_| line() + "\n").collect()
}

fn package_lock(rng: &mut Rng) -> String {
    lines(30, || {
        let (name, version) = (rng.pick(PACKAGES), rng.shape("{d1}.{d2}.{d1}"));
        format!(
            "    \"node_modules/{name}\": {{\n      \"version\": \"{version}\",\n      \"resolved\": \"https://npm.acme.io/{name}/-/{name}-{version}.tgz\",\n      \"integrity\": \"sha512-{}\",\n      \"license\": \"MIT\"\n    }},",
            rng.base64(64)
        )
    })
}

fn yarn_lock(rng: &mut Rng) -> String {
    lines(30, || {
        let name = rng.pick(PACKAGES);
        format!(
            "{name}@^1.2.3:\n  version \"1.2.{}\"\n  resolved \"https://npm.acme.io/{name}.tgz#{}\"\n  integrity sha512-{}\n",
            rng.shape("{d2}"),
            rng.hex(40),
            rng.base64(64)
        )
    })
}

fn pnpm_lock(rng: &mut Rng) -> String {
    lines(30, || {
        format!(
            "  /{}@1.{}:\n    resolution: {{integrity: sha512-{}}}\n    engines: {{node: '>=12'}}\n    dev: true",
            rng.pick(PACKAGES),
            rng.shape("{d1}.{d1}"),
            rng.base64(64)
        )
    })
}

fn cargo_lock(rng: &mut Rng) -> String {
    lines(30, || {
        format!(
            "[[package]]\nname = \"{}\"\nversion = \"0.{}\"\nsource = \"registry+https://index.acme.io\"\nchecksum = \"{}\"\n",
            rng.pick(PACKAGES),
            rng.shape("{d1}.{d2}"),
            rng.hex(64)
        )
    })
}

fn go_sum(rng: &mut Rng) -> String {
    lines(40, || {
        let name = rng.pick(PACKAGES);
        format!(
            "github.com/acme/{name} v1.{}.0 h1:{}\ngithub.com/acme/{name} v0.0.0-20240102030405-{} h1:{}",
            rng.shape("{d2}"),
            rng.base64(32),
            rng.hex(12),
            rng.base64(32)
        )
    })
}

fn poetry_lock(rng: &mut Rng) -> String {
    lines(30, || {
        let name = rng.pick(PACKAGES);
        format!(
            "    {{file = \"{name}-1.0-py3-none-any.whl\", hash = \"sha256:{}\"}},\ncontent-hash = \"{}\"",
            rng.hex(64),
            rng.hex(64)
        )
    })
}

fn composer_lock(rng: &mut Rng) -> String {
    lines(20, || {
        let (name, reference) = (rng.pick(PACKAGES), rng.hex(40));
        format!(
            "        \"source\": {{\"type\": \"git\", \"url\": \"https://git.acme.io/{name}.git\", \"reference\": \"{reference}\"}},\n        \"dist\": {{\"type\": \"zip\", \"shasum\": \"{}\", \"reference\": \"{reference}\"}},\n    \"content-hash\": \"{}\",",
            rng.hex(40),
            rng.hex(32)
        )
    })
}

fn flake_lock(rng: &mut Rng) -> String {
    lines(12, || {
        format!(
            "        \"lastModified\": 17{},\n        \"narHash\": \"sha256-{}\",\n        \"rev\": \"{}\",",
            rng.shape("{d8}"),
            rng.base64(32),
            rng.hex(40)
        )
    })
}

fn terraform_lock(rng: &mut Rng) -> String {
    lines(8, || {
        let mut hashes = String::new();
        for _ in 0..6 {
            let _ = writeln!(
                hashes,
                "    \"h1:{}\",\n    \"zh:{}\",",
                rng.base64(32),
                rng.hex(64)
            );
        }
        format!(
            "provider \"terraform.acme.io/acme/{}\" {{\n  version = \"4.1.0\"\n  hashes = [\n{hashes}  ]\n}}",
            rng.pick(PACKAGES)
        )
    })
}

fn requirements(rng: &mut Rng) -> String {
    lines(20, || {
        format!(
            "{}==2.{} \\\n    --hash=sha256:{} \\\n    --hash=sha256:{}",
            rng.pick(PACKAGES),
            rng.shape("{d2}"),
            rng.hex(64),
            rng.hex(64)
        )
    })
}

fn minified(rng: &mut Rng) -> String {
    const PIECES: &[&str] = &[
        "function e(t,n){return t.key===n.key?0:t.token||n.token}",
        "var r=i(42),o={password:\"password\",type:\"text\"};",
        "t.prototype.setToken=function(e){this.token=e,this.auth=!0};",
        "o.exports={KEY_ENTER:13,key:\"Enter\",secretKey:null};",
        "const a=new Map,s=e=>a.get(e.apiKey||e.key);",
        "n.headers.Authorization=\"Bearer \"+this.accessToken;",
        "if(e.credentials===\"include\"){l.withCredentials=!0}",
        "h(\"input\",{type:\"password\",key:\"field-password\",name:\"current-password\"})",
        "p={csrfToken:u(\"csrf_token\"),sessionKey:c+\":\"+d};",
        "switch(e.key){case\"ArrowDown\":case\"ArrowUp\":return n(e)}",
        "var _=t(8734),g=t.n(_),v=\"__secret__\",m=Symbol(\"token\");",
        "y.credential=w(b.credential,{publicKey:x});",
    ];
    let mut out = String::new();
    for _ in 0..60 {
        let _ = write!(
            out,
            "{}{}:function(e,t,n){{{}}},",
            rng.pick(PIECES),
            rng.shape("{d4}"),
            rng.shape("{A2}=n({d4}),{A2}=n.n({A1})")
        );
        if rng.below(6) == 0 {
            let _ = write!(
                out,
                "e.exports=n.p+\"static/media/{}.{}.svg\";",
                rng.pick(PACKAGES),
                rng.hex(32)
            );
        }
    }
    out
}

fn chunks(rng: &mut Rng) -> String {
    let mut out =
        String::from("a.u=e=>\"static/js/\"+({12:\"auth\",77:\"token-page\"}[e]||e)+\".\"+{");
    for _ in 0..80 {
        let _ = write!(out, "{}:\"{}\",", rng.shape("{d3}"), rng.hex(8));
    }
    out + "}[e]+\".chunk.js\""
}

fn data_uris(rng: &mut Rng) -> String {
    lines(6, || {
        format!(
            ".icon-key{{background:url(data:image/png;base64,{})}}\n.token{{src:url(data:font/woff2;base64,{})}}",
            rng.base64(600),
            rng.base64(900)
        )
    })
}

fn source_map(rng: &mut Rng) -> String {
    format!(
        "{{\"version\":3,\"sources\":[\"../src/auth/token.ts\"],\"names\":[\"token\",\"key\",\"password\"],\"mappings\":\"{}\"}}",
        rng.shape("AAAA,SAAS{A60};AACA,{A40};{A80},CAAC;{A120}")
    )
}

fn sql_dump(rng: &mut Rng) -> String {
    lines(25, || {
        format!(
            "INSERT INTO api_keys (id, owner_id, name, created) VALUES ('{}', '{}', 'key for {}', '2025-01-02 03:04:05');",
            rng.uuid(),
            rng.uuid(),
            rng.pick(PACKAGES)
        )
    })
}

fn uuids(rng: &mut Rng) -> String {
    lines(40, || {
        format!("{},{},{}", rng.uuid(), rng.uuid(), rng.shape("{d6}"))
    })
}

fn git_log(rng: &mut Rng) -> String {
    lines(25, || {
        format!(
            "commit {}\nAuthor: Ada Byron <ada@example.org>\n\n    Rotate the API key and the token of {}\n\ndiff --git a/src/token.rs b/src/token.rs\nindex {}..{} 100644\nChange-Id: I{}",
            rng.hex(40),
            rng.pick(PACKAGES),
            rng.hex(10),
            rng.hex(10),
            rng.hex(40)
        )
    })
}

fn digests(rng: &mut Rng) -> String {
    lines(15, || {
        format!(
            "  - name: secret-sync\n    image: registry.acme.io/{}@sha256:{}\n    tag: v1.{}-g{}",
            rng.pick(PACKAGES),
            rng.hex(64),
            rng.shape("{d2}"),
            rng.hex(8)
        )
    })
}

fn sbom(rng: &mut Rng) -> String {
    lines(20, || {
        format!(
            "  {{\"name\": \"{}\", \"bom-ref\": \"{}\", \"hashes\": [{{\"alg\": \"SHA-256\", \"content\": \"{}\"}}], \"signature\": {{\"keyId\": \"{}\"}}}},",
            rng.pick(PACKAGES),
            rng.uuid(),
            rng.hex(64),
            rng.hex(40)
        )
    })
}

fn pods(rng: &mut Rng) -> String {
    lines(10, || {
        format!(
            "  metadata:\n    uid: {}\n    resourceVersion: \"{}\"\n    annotations:\n      checksum/secret: {}\n  spec:\n    volumes:\n    - name: token-volume\n      secret:\n        secretName: {}-token-{}\n    env:\n    - name: DB_PASSWORD\n      valueFrom:\n        secretKeyRef:\n          name: db-credentials\n          key: password",
            rng.uuid(),
            rng.shape("{d9}"),
            rng.hex(64),
            rng.pick(&["default", "builder"]),
            rng.shape("{l5}")
        )
    })
}

fn proxy_log(rng: &mut Rng) -> String {
    lines(30, || {
        format!(
            "10.0.0.{} - - [02/Jan/2026:03:04:05 +0000] \"GET /v1/tokens/{} HTTP/1.1\" 200 {} trace=00-{}-{}-01 etag=\"{}\" x-request-id={}",
            rng.shape("{d1}"),
            rng.uuid(),
            rng.shape("{d4}"),
            rng.hex(32),
            rng.hex(16),
            rng.hex(40),
            rng.uuid()
        )
    })
}

fn certificates(rng: &mut Rng) -> String {
    let mut out = String::new();
    for label in [
        "CERTIFICATE",
        "PUBLIC KEY",
        "CERTIFICATE REQUEST",
        "PGP PUBLIC KEY BLOCK",
        "PGP SIGNATURE",
    ] {
        let body = rng.base64(600);
        let lines: Vec<_> = body
            .as_bytes()
            .chunks(64)
            .map(String::from_utf8_lossy)
            .collect();
        let _ = writeln!(
            out,
            "-----BEGIN {label}-----\n{}\n-----END {label}-----",
            lines.join("\n")
        );
    }
    out
}

fn public_keys(rng: &mut Rng) -> String {
    lines(8, || {
        format!(
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{} ada@example.org\nssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ{} token-bot\nage1{}\nkey fingerprint: SHA256:{}",
            rng.shape("{b43}"),
            rng.base64(384),
            rng.shape("{l58}"),
            rng.shape("{b43}")
        )
    })
}

fn checksums(rng: &mut Rng) -> String {
    lines(30, || {
        format!(
            "{}  {}-v1.{}.tar.gz\nMD5 (secrets.txt) = {}\nsha1 = {}",
            rng.hex(64),
            rng.pick(PACKAGES),
            rng.shape("{d2}"),
            rng.hex(32),
            rng.hex(40)
        )
    })
}

fn snapshots(rng: &mut Rng) -> String {
    lines(20, || {
        format!(
            "exports[`renders the token field {}`] = `<input aria-label=\"API key\" class=\"css-{}\" data-testid=\"token-input\" id=\"key-{}\" type=\"password\" />`;",
            rng.shape("{d1}"),
            rng.shape("{l7}"),
            rng.shape("{d3}")
        )
    })
}

fn base64_image(rng: &mut Rng) -> String {
    format!(
        "export const logo = \"data:image/svg+xml;base64,{}\";\nexport const key = require(\"./key.png\");\n",
        rng.base64(4000)
    )
}

fn bytes(rng: &mut Rng) -> String {
    lines(20, || {
        let all: Vec<_> = (0..12).map(|_| format!("0x{}", rng.hex(2))).collect();
        format!(
            "static const uint8_t test_key_{}[] = {{ {} }};",
            rng.shape("{d2}"),
            all.join(", ")
        )
    })
}

fn numbers(rng: &mut Rng) -> String {
    lines(40, || {
        format!(
            "{},17{},1.{},{},978-3-{}-{}-{},{}",
            rng.shape("1{d15}"),
            rng.shape("{d11}"),
            rng.shape("{d16}"),
            rng.shape("9{d15}"),
            rng.shape("{d2}"),
            rng.shape("{d6}"),
            rng.shape("{d1}"),
            rng.shape("0{d3} {d4} {d4} {d4}")
        )
    })
}

fn caches(rng: &mut Rng) -> String {
    lines(25, || {
        format!(
            "  \"cacheKey\": \"{}\",\n  \"primary_key\": \"{}\",\n  \"s3_object_key\": \"uploads/{}/{}.png\",\n  \"key_id\": \"{}\",\n  \"idempotency_key\": \"{}\",\n  \"nextToken\": null,\n  \"etag\": \"{}\",\n  \"publicKey\": \"{}\",\n  \"rev\": \"{}\",",
            rng.hex(32),
            rng.uuid(),
            rng.uuid(),
            rng.hex(16),
            rng.uuid(),
            rng.uuid(),
            rng.hex(32),
            rng.base64(32),
            rng.hex(40)
        )
    })
}
