//! Kinds of secrets, each by the shape that its issuer documents or shows in its own pages; nothing is copied from
//! anybody's rules.

use super::rng::Rng;

/// How a kind is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// By its form: also without a name.
    Form,
    /// By the name before it.
    Name,
    /// As a whole block or address: it stands as it is.
    Whole,
}

pub struct Kind {
    pub name: &'static str,
    /// The variable that it is kept in.
    pub variable: &'static str,
    shape: &'static str,
    pub known: Known,
}

impl Kind {
    pub fn make(&self, rng: &mut Rng) -> String {
        match self.name {
            "jwt" => jwt(rng),
            "private-key-pem" => armour(rng, "PRIVATE KEY", 1216),
            "private-key-rsa" => armour(rng, "RSA PRIVATE KEY", 1190),
            "private-key-ec" => armour(rng, "EC PRIVATE KEY", 121),
            "private-key-openssh" => armour(rng, "OPENSSH PRIVATE KEY", 399),
            "private-key-pgp" => armour(rng, "PGP PRIVATE KEY BLOCK", 1400),
            "gcp-service-account" => armour(rng, "PRIVATE KEY", 1216).replace('\n', "\\n"),
            _ => rng.shape(self.shape),
        }
    }

    /// Kinds that nobody looks at while rules are tuned: every fourth.
    pub fn held_out(&self) -> bool {
        super::rng::crc32(self.name.as_bytes()).is_multiple_of(4)
    }
}

fn jwt(rng: &mut Rng) -> String {
    use base64::Engine as _;
    let encode = |text: String| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let body = format!(
        r#"{{"sub":"{}","name":"Ada","iat":17{}}}"#,
        rng.of("0123456789", 10),
        rng.of("0123456789", 8)
    );
    let head = r#"{"alg":"HS256","typ":"JWT"}"#.to_owned();
    format!("{}.{}.{}", encode(head), encode(body), rng.shape("{w43}"))
}

fn armour(rng: &mut Rng, label: &str, bytes: usize) -> String {
    let body = rng.base64(bytes);
    let lines: Vec<_> = body
        .as_bytes()
        .chunks(64)
        .map(String::from_utf8_lossy)
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----",
        lines.join("\n")
    )
}

const fn form(name: &'static str, variable: &'static str, shape: &'static str) -> Kind {
    Kind {
        name,
        variable,
        shape,
        known: Known::Form,
    }
}

const fn named(name: &'static str, variable: &'static str, shape: &'static str) -> Kind {
    Kind {
        name,
        variable,
        shape,
        known: Known::Name,
    }
}

const fn whole(name: &'static str, shape: &'static str) -> Kind {
    Kind {
        name,
        variable: "SERVICE_DSN",
        shape,
        known: Known::Whole,
    }
}

pub const KINDS: &[Kind] = &[
    form("aws-access-key-id", "AWS_ACCESS_KEY_ID", "AKIA{316}"),
    form("aws-temporary-key-id", "AWS_ACCESS_KEY_ID", "ASIA{316}"),
    named("aws-secret-access-key", "AWS_SECRET_ACCESS_KEY", "{b40}"),
    named(
        "aws-session-token",
        "AWS_SESSION_TOKEN",
        "IQoJb3JpZ2luX2Vj{b340}==",
    ),
    form("github-pat", "GITHUB_TOKEN", "ghp_{a30}{C6}"),
    form("github-oauth", "GH_TOKEN", "gho_{a30}{C6}"),
    form("github-app", "GITHUB_APP_TOKEN", "ghs_{a30}{C6}"),
    form("github-refresh", "GITHUB_REFRESH", "ghr_{a70}{C6}"),
    form(
        "github-fine-grained",
        "GITHUB_PAT",
        "github_pat_11{u20}_{a59}",
    ),
    form("gitlab-pat", "GITLAB_TOKEN", "glpat-{w20}"),
    form("gitlab-deploy", "CI_DEPLOY_PASSWORD", "gldt-{w20}"),
    form("gitlab-runner", "RUNNER_TOKEN", "glrt-{w20}"),
    form("gitlab-trigger", "TRIGGER_TOKEN", "glptt-{h40}"),
    form("slack-bot", "SLACK_BOT_TOKEN", "xoxb-{d12}-{d13}-{a24}"),
    form(
        "slack-user",
        "SLACK_USER_TOKEN",
        "xoxp-{d12}-{d12}-{d13}-{h32}",
    ),
    form("slack-app", "SLACK_APP_TOKEN", "xapp-1-A{u10}-{d13}-{h64}"),
    whole(
        "slack-webhook",
        "https://hooks.slack.com/services/T{u10}/B{u10}/{a24}",
    ),
    whole(
        "discord-webhook",
        "https://discord.com/api/webhooks/1{d18}/{w68}",
    ),
    whole(
        "teams-webhook",
        "https://acme.webhook.office.com/webhookb2/{U1}@{U1}/IncomingWebhook/{h32}/{U1}",
    ),
    named("discord-bot", "DISCORD_TOKEN", "MTA{a23}.G{w5}.{w38}"),
    form("telegram-bot", "TELEGRAM_BOT_TOKEN", "7{d9}:AA{w33}"),
    form("openai-legacy", "OPENAI_API_KEY", "sk-{a20}T3BlbkFJ{a20}"),
    form(
        "openai-project",
        "OPENAI_API_KEY",
        "sk-proj-{w74}T3BlbkFJ{w74}",
    ),
    form("anthropic", "ANTHROPIC_API_KEY", "sk-ant-api03-{w93}AA"),
    form("google-api", "GOOGLE_API_KEY", "AIzaSy{w33}"),
    form(
        "google-oauth-secret",
        "GOOGLE_CLIENT_SECRET",
        "GOCSPX-{w28}",
    ),
    form(
        "google-oauth-access",
        "GOOGLE_ACCESS_TOKEN",
        "ya29.a0{w160}",
    ),
    form("google-refresh", "GOOGLE_REFRESH_TOKEN", "1//0{w98}"),
    form("groq", "GROQ_API_KEY", "gsk_{a52}"),
    form("xai", "XAI_API_KEY", "xai-{a80}"),
    form("replicate", "REPLICATE_API_TOKEN", "r8_{a37}"),
    form("huggingface", "HF_TOKEN", "hf_{A34}"),
    form("perplexity", "PERPLEXITY_API_KEY", "pplx-{a48}"),
    form("openrouter", "OPENROUTER_API_KEY", "sk-or-v1-{h64}"),
    form("nvidia", "NVIDIA_API_KEY", "nvapi-{w64}"),
    named("cohere", "COHERE_API_KEY", "{a40}"),
    named("mistral", "MISTRAL_API_KEY", "{a32}"),
    form("stripe-live", "STRIPE_SECRET_KEY", "sk_live_51{a97}"),
    form("stripe-restricted", "STRIPE_KEY", "rk_live_{a24}"),
    form("stripe-webhook", "STRIPE_WEBHOOK_SECRET", "whsec_{a32}"),
    form("square", "SQUARE_ACCESS_TOKEN", "EAAA{w60}"),
    form(
        "braintree",
        "BRAINTREE_TOKEN",
        "access_token$production${l16}${h32}",
    ),
    named("paypal", "PAYPAL_CLIENT_SECRET", "E{w79}"),
    form("shopify", "SHOPIFY_ACCESS_TOKEN", "shpat_{h32}"),
    form("npm", "NPM_TOKEN", "npm_{a30}{C6}"),
    form("pypi", "TWINE_PASSWORD", "pypi-AgEIcHlwaS5vcmc{w120}"),
    form("rubygems", "GEM_HOST_API_KEY", "rubygems_{h48}"),
    form("nuget", "NUGET_API_KEY", "oy2{l43}"),
    form("cargo", "CARGO_REGISTRY_TOKEN", "cio{a32}"),
    form("dockerhub", "DOCKERHUB_TOKEN", "dckr_pat_{w27}"),
    form("artifactory", "ARTIFACTORY_API_KEY", "AKCp8{a68}"),
    form("sendgrid", "SENDGRID_API_KEY", "SG.{w22}.{w43}"),
    form("mailgun", "MAILGUN_API_KEY", "key-{h32}"),
    form("mailchimp", "MAILCHIMP_API_KEY", "{h32}-us14"),
    form("brevo", "BREVO_API_KEY", "xkeysib-{h64}-{a16}"),
    form("resend", "RESEND_API_KEY", "re_{a8}_{a24}"),
    named("postmark", "POSTMARK_SERVER_TOKEN", "{U1}"),
    named("twilio-auth", "TWILIO_AUTH_TOKEN", "{h32}"),
    form("twilio-key", "TWILIO_API_KEY", "SK{h32}"),
    form("digitalocean", "DIGITALOCEAN_TOKEN", "dop_v1_{h64}"),
    form("vault", "VAULT_TOKEN", "hvs.{w95}"),
    form("age", "SOPS_AGE_KEY", "AGE-SECRET-KEY-1{X58}"),
    form("terraform-cloud", "TFE_TOKEN", "{a14}.atlasv1.{a67}"),
    form("doppler", "DOPPLER_TOKEN", "dp.st.prd.{a43}"),
    form(
        "onepassword-service",
        "OP_SERVICE_ACCOUNT_TOKEN",
        "ops_eyJ{b300}",
    ),
    form("supabase", "SUPABASE_ACCESS_TOKEN", "sbp_{h40}"),
    form("planetscale", "PLANETSCALE_TOKEN", "pscale_tkn_{w43}"),
    form("databricks", "DATABRICKS_TOKEN", "dapi{h32}"),
    form("netlify", "NETLIFY_AUTH_TOKEN", "nfp_{a36}"),
    named("vercel", "VERCEL_TOKEN", "{a24}"),
    form("fly", "FLY_API_TOKEN", "fm2_{b180}"),
    named("heroku", "HEROKU_API_KEY", "{U1}"),
    named("cloudflare", "CLOUDFLARE_API_TOKEN", "{w40}"),
    named("cloudflare-global", "CLOUDFLARE_API_KEY", "{h37}"),
    form("linear", "LINEAR_API_KEY", "lin_api_{a40}"),
    form("notion", "NOTION_TOKEN", "ntn_{d11}{a35}"),
    form("figma", "FIGMA_TOKEN", "figd_{w40}"),
    form("airtable", "AIRTABLE_TOKEN", "pat{a14}.{h64}"),
    form("postman", "POSTMAN_API_KEY", "PMAK-{h24}-{h34}"),
    form(
        "atlassian",
        "ATLASSIAN_API_TOKEN",
        "ATATT3xFfGF0{w160}={H8}",
    ),
    form("bitbucket-app", "BITBUCKET_APP_PASSWORD", "ATBB{a32}"),
    form("sonar", "SONAR_TOKEN", "squ_{h40}"),
    named("snyk", "SNYK_TOKEN", "{U1}"),
    form("circleci", "CIRCLE_TOKEN", "CCIPAT_{a22}_{h40}"),
    form("buildkite", "BUILDKITE_API_TOKEN", "bkua_{h40}"),
    form("grafana-service", "GRAFANA_TOKEN", "glsa_{a32}_{h8}"),
    form("sentry-user", "SENTRY_AUTH_TOKEN", "sntryu_{h64}"),
    form("new-relic", "NEW_RELIC_API_KEY", "NRAK-{u27}"),
    named("datadog-api", "DD_API_KEY", "{h32}"),
    named("datadog-app", "DATADOG_APP_KEY", "{h40}"),
    form("dynatrace", "DYNATRACE_TOKEN", "dt0c01.{u24}.{u64}"),
    form("pulumi", "PULUMI_ACCESS_TOKEN", "pul-{h40}"),
    form("tailscale", "TS_AUTHKEY", "tskey-auth-k{a10}CNTRL-{a32}"),
    form("azure-devops", "AZURE_DEVOPS_PAT", "{a76}AZDO{a4}"),
    named("azure-client-secret", "AZURE_CLIENT_SECRET", "{a3}8Q~{w34}"),
    named("azure-storage", "AZURE_STORAGE_KEY", "{b76}+ASt{a5}Q=="),
    named("okta", "OKTA_API_TOKEN", "00{w40}"),
    named("auth0", "AUTH0_CLIENT_SECRET", "{w64}"),
    named("algolia", "ALGOLIA_ADMIN_KEY", "{h32}"),
    named("launchdarkly", "LAUNCHDARKLY_SDK_KEY", "sdk-{U1}"),
    named("spotify", "SPOTIFY_CLIENT_SECRET", "{h32}"),
    named("twitch", "TWITCH_CLIENT_SECRET", "{l30}"),
    named("facebook", "FACEBOOK_APP_SECRET", "{h32}"),
    named("wireguard", "WG_PRIVATE_KEY", "{B32}"),
    named("fernet", "FERNET_KEY", "{w43}="),
    named("rails", "SECRET_KEY_BASE", "{h128}"),
    named("django", "DJANGO_SECRET_KEY", "{A1}{p49}"),
    named("jwt-secret", "JWT_SECRET", "{B48}"),
    named("session-secret", "SESSION_SECRET", "{a32}"),
    named("db-password", "DB_PASSWORD", "{A1}{p19}"),
    named("postgres-password", "POSTGRES_PASSWORD", "{a16}"),
    named("smtp-password", "SMTP_PASS", "{a18}"),
    named("redis-password", "REDIS_PASSWORD", "{a32}"),
    named("admin-password", "ADMIN_PASSWORD", "{A5}{d3}!{a5}"),
    named("keystore-password", "KEYSTORE_PASSWORD", "{a12}"),
    named("encryption-key", "ENCRYPTION_KEY", "{h64}"),
    named("client-secret", "OAUTH_CLIENT_SECRET", "{a40}"),
    named("service-token", "INTERNAL_SERVICE_TOKEN", "{a48}"),
    named("bearer", "ACCESS_TOKEN", "{w80}"),
    whole("jwt", ""),
    whole(
        "postgres-url",
        "postgres://app:{a20}@db.internal.acme.io:5432/app",
    ),
    whole(
        "mongodb-url",
        "mongodb+srv://svc:{a18}@cluster0.ab1cd.mongodb.net/app",
    ),
    whole("redis-url", "redis://:{a32}@cache.acme.io:6379/0"),
    whole("https-url", "https://deploy:{a20}@git.acme.io/team/app.git"),
    whole("amqp-url", "amqps://worker:{a24}@mq.acme.io/prod"),
    whole("private-key-pem", ""),
    whole("private-key-rsa", ""),
    whole("private-key-ec", ""),
    whole("private-key-openssh", ""),
    whole("private-key-pgp", ""),
    whole("gcp-service-account", ""),
    form("atoll-token", "ATOLL_TOKEN", "atoll-token-{w340}{w220}"),
];
