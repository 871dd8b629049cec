//! Rules as people write them, made up for measurements.

/// Conditions as people write them, for the actions whose context has what they read.
pub const RULES: [(&str, &str); 10] = [
    (
        r#"action == Action::"run""#,
        r#"context.program == "tool-N""#,
    ),
    (
        r#"action == Action::"run""#,
        r#"context.hosts.contains("hostN.example.org:443")"#,
    ),
    (
        r#"action == Action::"write""#,
        r#"context.path like "folderN/*""#,
    ),
    (
        r#"action == Action::"read""#,
        r#"context.path like "*/private-N/*""#,
    ),
    (
        r#"action == Action::"call""#,
        r#"context.model == "model-N" && context.priced"#,
    ),
    (
        r#"action == Action::"accept""#,
        r#"context.paths.contains("src/fileN.rs")"#,
    ),
    (
        r#"action in Action::"working""#,
        r#"principal.name == "agent-N""#,
    ),
    (
        r#"action in Action::"leaving""#,
        r#"principal.name == "person-N""#,
    ),
    (
        r#"action in Action::"looking""#,
        r#"resource.path like "/home/ana/customers/N/*""#,
    ),
    ("action", "context.spent.micros > 1000000000 + N"),
];
