//! The OpenAPI document, made from the list that makes the router.

use serde_json::{Map, Value, json};

use crate::route::{Gives, Route};
use crate::stream::LINES;

/// The document.
pub(crate) fn document(routes: &[Route]) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in routes {
        let entry = paths.entry(route.path).or_insert_with(|| json!({}));
        entry[route.method.as_str().to_ascii_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Atoll node",
            "version": format!("{}", atoll_api::VERSION),
            "description": "The node's commands, on its owner's Unix socket. Names in paths are ordinals (s4, g3, p7, j9), @ for the latest, or long ids.",
        },
        "paths": paths,
        "components": { "schemas": { "Error": error_schema() } },
    })
}

fn operation(route: &Route) -> Value {
    let mut parameters = Vec::new();
    for part in route.path.split('/') {
        if let Some(name) = part.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
            parameters.push(parameter(name, "path", true));
        }
    }
    parameters.extend(
        route
            .query
            .iter()
            .map(|name| parameter(name, "query", false)),
    );
    if route.keyed {
        parameters.push(parameter("Idempotency-Key", "header", true));
    }
    let kind = match route.gives {
        Gives::Json => "application/json",
        Gives::Lines => LINES,
        Gives::Bytes => "application/octet-stream",
    };
    let mut operation = json!({
        "summary": route.summary,
        "parameters": parameters,
        "responses": {
            "200": { "description": "done", "content": { kind: {} } },
            "default": {
                "description": "refused or failed",
                "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } },
            },
        },
    });
    if route.gives == Gives::Lines {
        operation["responses"]["200"]["content"]["text/event-stream"] = json!({});
    }
    if let Some(example) = &route.takes {
        operation["requestBody"] = json!({
            "required": true,
            "content": { "application/json": { "schema": { "type": "object" }, "example": example } },
        });
    }
    operation
}

fn parameter(name: &str, place: &str, required: bool) -> Value {
    json!({ "name": name, "in": place, "required": required, "schema": { "type": "string" } })
}

fn error_schema() -> Value {
    json!({
        "type": "object",
        "required": ["code", "message", "next", "exit"],
        "properties": {
            "code": { "type": "string", "description": "ATL-0412; `atoll explain` prints its page" },
            "message": { "type": "string" },
            "found": { "type": "string" },
            "changed": { "type": "string", "description": "absent: nothing" },
            "next": { "type": "array", "items": { "type": "string" } },
            "exit": { "type": "integer", "description": "the exit code of a command that ends with it" },
        },
    })
}
