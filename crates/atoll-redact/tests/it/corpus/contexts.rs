//! Where secrets stand: files and lines as people and programs write them. `@UPPER@`, `@snake@`, `@camel@`,
//! `@Pascal@`, `@kebab@` and `@dots@` become the variable in that case; `@secret@` the secret.

use super::kinds::Known;

pub struct Context {
    pub name: &'static str,
    pub path: &'static str,
    pub text: &'static str,
    /// What kinds stand here.
    pub fits: &'static [Known],
}

impl Context {
    /// Contexts that nobody looks at while rules are tuned: every fourth.
    pub fn held_out(&self) -> bool {
        super::rng::crc32(self.name.as_bytes()).is_multiple_of(4)
    }
}

const VALUES: &[Known] = &[Known::Form, Known::Name];
const ALL: &[Known] = &[Known::Form, Known::Name, Known::Whole];
const WHOLES: &[Known] = &[Known::Form, Known::Whole];

const fn of(
    name: &'static str,
    path: &'static str,
    text: &'static str,
    fits: &'static [Known],
) -> Context {
    Context {
        name,
        path,
        text,
        fits,
    }
}

pub const CONTEXTS: &[Context] = &[
    of("env", ".env", "@UPPER@=@secret@\n", ALL),
    of(
        "env-quoted",
        ".env.production",
        "@UPPER@=\"@secret@\"\n",
        VALUES,
    ),
    of(
        "env-export",
        "setup.sh",
        "export @UPPER@='@secret@'\n",
        VALUES,
    ),
    of(
        "shell-inline",
        "run.sh",
        "@UPPER@=@secret@ ./bin/server --port 8080\n",
        VALUES,
    ),
    of(
        "docker-run",
        "README.md",
        "    docker run -e @UPPER@=@secret@ -p 80:80 acme/app\n",
        VALUES,
    ),
    of(
        "dockerfile-env",
        "Dockerfile",
        "ENV @UPPER@=@secret@\n",
        VALUES,
    ),
    of(
        "dockerfile-old",
        "docker/Dockerfile",
        "ENV @UPPER@ @secret@\n",
        VALUES,
    ),
    of(
        "compose",
        "docker-compose.yml",
        "    environment:\n      @UPPER@: @secret@\n",
        VALUES,
    ),
    of(
        "compose-list",
        "compose.yaml",
        "    environment:\n      - @UPPER@=@secret@\n",
        VALUES,
    ),
    of(
        "k8s-env",
        "deploy.yaml",
        "        - name: @UPPER@\n          value: \"@secret@\"\n",
        VALUES,
    ),
    of(
        "actions",
        ".github/workflows/ci.yml",
        "        env:\n          @UPPER@: @secret@\n",
        VALUES,
    ),
    of("yaml", "config.yml", "  @snake@: @secret@\n", ALL),
    of(
        "yaml-quoted",
        "config/settings.yaml",
        "  @camel@: \"@secret@\"\n",
        VALUES,
    ),
    of(
        "ansible",
        "group_vars/all.yml",
        "app_@snake@: '@secret@'\n",
        VALUES,
    ),
    of(
        "json",
        "config.json",
        "  \"@camel@\": \"@secret@\",\n",
        VALUES,
    ),
    of(
        "json-upper",
        "local.settings.json",
        "    \"@UPPER@\": \"@secret@\",\n",
        VALUES,
    ),
    of(
        "json-in-json",
        "call.json",
        "{\"arguments\":\"{\\\"@snake@\\\": \\\"@secret@\\\", \\\"n\\\": 1}\"}\n",
        VALUES,
    ),
    of(
        "json-list",
        "task-definition.json",
        "  {\"name\": \"@UPPER@\", \"value\": \"@secret@\"},\n",
        VALUES,
    ),
    of(
        "notebook",
        "train.ipynb",
        "    \"@UPPER@ = \\\"@secret@\\\"\\n\",\n",
        VALUES,
    ),
    of("toml", "settings.toml", "@snake@ = \"@secret@\"\n", VALUES),
    of("ini", "app.ini", "[auth]\n@snake@ = @secret@\n", VALUES),
    of(
        "properties",
        "application.properties",
        "app.@dots@=@secret@\n",
        VALUES,
    ),
    of(
        "xml-attribute",
        "web.config",
        "    <add key=\"@UPPER@\" value=\"@secret@\" />\n",
        VALUES,
    ),
    of(
        "xml-element",
        "settings.xml",
        "      <@camel@>@secret@</@camel@>\n",
        VALUES,
    ),
    of("python", "settings.py", "@UPPER@ = \"@secret@\"\n", VALUES),
    of(
        "python-environ",
        "conftest.py",
        "os.environ[\"@UPPER@\"] = '@secret@'\n",
        VALUES,
    ),
    of(
        "python-getenv",
        "app/config.py",
        "@snake@ = os.getenv(\"@UPPER@\", \"@secret@\")\n",
        VALUES,
    ),
    of(
        "python-call",
        "client.py",
        "client = Client(region=\"eu\", @snake@=\"@secret@\")\n",
        VALUES,
    ),
    of(
        "python-dict",
        "fixtures.py",
        "    '@snake@': '@secret@',\n",
        VALUES,
    ),
    of(
        "javascript",
        "src/config.js",
        "const @camel@ = '@secret@';\n",
        VALUES,
    ),
    of(
        "javascript-or",
        "src/env.js",
        "const v = process.env.@UPPER@ || \"@secret@\";\n",
        VALUES,
    ),
    of(
        "typescript",
        "src/config.ts",
        "export const @UPPER@: string = \"@secret@\";\n",
        VALUES,
    ),
    of(
        "javascript-object",
        "lib/client.mjs",
        "  @camel@: `@secret@`,\n",
        VALUES,
    ),
    of(
        "javascript-set",
        "src/http.js",
        "headers.set('x-@kebab@', '@secret@');\n",
        VALUES,
    ),
    of("go", "config.go", "\t@camel@ := \"@secret@\"\n", VALUES),
    of(
        "go-const",
        "consts.go",
        "const @camel@ string = \"@secret@\"\n",
        VALUES,
    ),
    of(
        "go-struct",
        "main.go",
        "\t\t@Pascal@: \"@secret@\",\n",
        VALUES,
    ),
    of(
        "go-setenv",
        "main_test.go",
        "\tos.Setenv(\"@UPPER@\", \"@secret@\")\n",
        VALUES,
    ),
    of(
        "rust",
        "src/config.rs",
        "const @UPPER@: &str = \"@secret@\";\n",
        VALUES,
    ),
    of(
        "rust-struct",
        "src/main.rs",
        "        @snake@: \"@secret@\".into(),\n",
        VALUES,
    ),
    of(
        "java",
        "Config.java",
        "    private static final String @UPPER@ = \"@secret@\";\n",
        VALUES,
    ),
    of(
        "java-set",
        "App.java",
        "        builder.set@Pascal@(\"@secret@\");\n",
        VALUES,
    ),
    of(
        "kotlin",
        "Config.kt",
        "    val @camel@: String = \"@secret@\"\n",
        VALUES,
    ),
    of(
        "swift",
        "Config.swift",
        "    static let @camel@ = \"@secret@\"\n",
        VALUES,
    ),
    of(
        "csharp",
        "Startup.cs",
        "            public string @Pascal@ { get; set; } = \"@secret@\";\n",
        VALUES,
    ),
    of(
        "csharp-const",
        "Keys.cs",
        "        const string @Pascal@ = @\"@secret@\";\n",
        VALUES,
    ),
    of(
        "php",
        "config.php",
        "    '@snake@' => '@secret@',\n",
        VALUES,
    ),
    of(
        "php-define",
        "wp-config.php",
        "define('@UPPER@', '@secret@');\n",
        VALUES,
    ),
    of(
        "ruby",
        "config/initializers/api.rb",
        "  @snake@: \"@secret@\",\n",
        VALUES,
    ),
    of(
        "ruby-env",
        "Rakefile",
        "ENV['@UPPER@'] ||= '@secret@'\n",
        VALUES,
    ),
    of(
        "c-define",
        "secrets.h",
        "#define @UPPER@ \"@secret@\"\n",
        VALUES,
    ),
    of(
        "powershell",
        "deploy.ps1",
        "$env:@UPPER@ = \"@secret@\"\n",
        VALUES,
    ),
    of("terraform", "main.tf", "  @snake@ = \"@secret@\"\n", VALUES),
    of(
        "terraform-variable",
        "variables.tf",
        "variable \"@snake@\" {\n  default = \"@secret@\"\n}\n",
        VALUES,
    ),
    of(
        "tfvars",
        "prod.tfvars",
        "app_@snake@  = \"@secret@\"\n",
        VALUES,
    ),
    of(
        "helm-set",
        "deploy.sh",
        "helm upgrade app ./chart --set app.@camel@=@secret@\n",
        VALUES,
    ),
    of(
        "option",
        "Makefile",
        "\t./tool --@kebab@ @secret@ --verbose\n",
        VALUES,
    ),
    of(
        "option-equals",
        "bin/release",
        "tool login --@kebab@=@secret@\n",
        VALUES,
    ),
    of(
        "header-bearer",
        "api.http",
        "Authorization: Bearer @secret@\n",
        VALUES,
    ),
    of(
        "curl-bearer",
        "docs/api.md",
        "curl -H \"Authorization: Bearer @secret@\" https://api.acme.io/v1/me\n",
        VALUES,
    ),
    of(
        "curl-user",
        "upload.sh",
        "curl -u admin:@secret@ https://repo.acme.io/upload\n",
        VALUES,
    ),
    of(
        "header-key",
        "requests.http",
        "X-@UPPER@: @secret@\n",
        VALUES,
    ),
    of(
        "query",
        "access.log",
        "GET /v1/items?@snake@=@secret@&page=2 HTTP/1.1\n",
        VALUES,
    ),
    of(
        "url-user",
        "remotes.txt",
        "origin https://x-access-token:@secret@@git.acme.io/app.git (fetch)\n",
        VALUES,
    ),
    of(
        "npmrc",
        ".npmrc",
        "//npm.acme.io/:_authToken=@secret@\n",
        VALUES,
    ),
    of(
        "netrc",
        ".netrc",
        "machine api.acme.io login deploy password @secret@\n",
        VALUES,
    ),
    of(
        "log",
        "app.log",
        "2026-03-04T05:06:07Z DEBUG config: @UPPER@=@secret@ region=eu-1\n",
        VALUES,
    ),
    of(
        "log-json",
        "server.log",
        "{\"level\":\"info\",\"msg\":\"loaded\",\"@snake@\":\"@secret@\"}\n",
        VALUES,
    ),
    of(
        "log-bare",
        "trace.log",
        "request failed (401) for @secret@ after 3 tries\n",
        WHOLES,
    ),
    of(
        "diff",
        "change.patch",
        "@@ -1,2 +1,2 @@\n-@UPPER@=@secret@\n+@UPPER@=$@UPPER@\n",
        VALUES,
    ),
    of(
        "markdown",
        "NOTES.md",
        "Set `@UPPER@=@secret@` before you start.\n",
        VALUES,
    ),
    of(
        "markdown-bare",
        "RUNBOOK.md",
        "The one for staging is `@secret@`, ask Ada.\n",
        WHOLES,
    ),
    of("comment", "old.py", "# @UPPER@ = \"@secret@\"\n", VALUES),
    of("chat", "chat.txt", "Ada: here it is: @secret@\n", WHOLES),
    of("block", "deploy_key", "@secret@\n", WHOLES),
    of(
        "string",
        "keys_test.go",
        "\tconst raw = `@secret@`\n",
        WHOLES,
    ),
    of(
        "json-string",
        "service.json",
        "  \"value\": \"@secret@\",\n",
        WHOLES,
    ),
];
