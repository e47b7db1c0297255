//! The endpoint's description of itself (OpenAPI 3.1), made from the paths and from the types that it answers with.

use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{
    paths::{Content, PATHS, PROTOBUF, Path},
    problem,
    query::{Kind, Parameter},
};
use crate::report::{EventsLost, Problem};

/// The whole description.
pub(super) fn describe() -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .for_serialize()
        .with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        })
        .into_generator();
    let paths: Map<String, Value> = PATHS
        .iter()
        .map(|path| (path.path.to_owned(), json!({ "get": operation(path, &mut generator) })))
        .collect();
    // Named by no path: what stands between events.
    generator.subschema_for::<EventsLost>();
    let schemas = generator.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "tcpkit",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What TCP does on this host, as things stand. HEAD is answered wherever GET is.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": { "schemas": schemas },
    })
}

fn operation(path: &Path, generator: &mut SchemaGenerator) -> Value {
    let parameters: Vec<Value> = path.parameters.iter().map(parameter).collect();
    let mut responses = Map::new();
    responses.insert("200".into(), json!({ "description": path.about, "content": content(path, generator) }));
    if matches!(path.content, Content::Json(_)) || path.path == super::paths::OPENAPI {
        responses.insert("304".into(), json!({ "description": "It is what If-None-Match names." }));
    }
    let mut failure = |description: &str| {
        let schema = generator.subschema_for::<Problem>();
        json!({ "description": description, "content": { problem::CONTENT_TYPE: { "schema": schema } } })
    };
    responses.insert("400".into(), failure("The query names or sets a parameter wrongly."));
    if path.may_be_unavailable {
        let mut unavailable = failure("The capture has ended, or is too busy.");
        if let Content::Text(kinds) = path.content {
            // Health is told in a line.
            unavailable["content"][kinds[0]] = json!({ "schema": { "type": "string" } });
        }
        responses.insert("503".into(), unavailable);
    }
    json!({
        "summary": path.about,
        "operationId": path.path.trim_start_matches('/').replace(['/', '.'], "_"),
        "parameters": parameters,
        "responses": responses,
    })
}

fn content(path: &Path, generator: &mut SchemaGenerator) -> Value {
    match path.content {
        Content::Json(schema) => json!({ "application/json": { "schema": schema(generator) } }),
        Content::AnyJson => json!({ "application/json": { "schema": {} } }),
        Content::Text(kinds) => {
            // OpenAPI 3.1 describes octets by a media type alone.
            let schema = |kind: &str| if kind == PROTOBUF { json!({}) } else { json!({ "type": "string" }) };
            let texts = kinds.iter().map(|kind| ((*kind).to_owned(), json!({ "schema": schema(kind) })));
            Value::Object(texts.collect())
        }
        // OpenAPI 3.1 has no word for the events of a stream: the schema is that of their data.
        Content::Events(schema) => {
            let data = schema(generator);
            json!({ "text/event-stream": { "schema": { "type": "string" }, "x-event-data": data } })
        }
    }
}

fn parameter(one: &Parameter) -> Value {
    let schema = match one.kind {
        // A flag may stand there without a value, which no boolean of JSON Schema can.
        Kind::Flag => json!({ "type": "string", "enum": ["", "true", "false"], "default": "false" }),
        Kind::Number(least, most, default) => {
            json!({ "type": "integer", "minimum": least, "maximum": most, "default": default })
        }
        Kind::Choice(words, default) => json!({ "type": "string", "enum": words, "default": default }),
        Kind::Text => json!({ "type": "string" }),
        Kind::Pattern(pattern) => json!({ "type": "string", "pattern": pattern }),
    };
    json!({ "name": one.name, "in": "query", "required": false, "description": one.about, "schema": schema })
}
