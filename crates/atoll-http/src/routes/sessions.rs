//! Sessions.

use atoll_api::{
    Cleared, CodeRequest, DeclassifyRequest, ForkRequest, ResumeRequest, SessionDetail,
    SessionView, Started,
};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{delete, get, post};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};

use crate::answer::{Answer, Body, Failure, Key, Name, Names, Query, usage};
use crate::route::{Door, Gives, Route};
use crate::stream;
use atoll_api::Caller;

const SESSIONS_MAX: usize = 1000;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("/v1/sessions", "Sessions, the newest first", get(list)).query(&["limit"]),
        Route::post("/v1/sessions", "Starts a session", post(code))
            .takes(CodeRequest::default())
            .keyed(),
        Route::post("/v1/chats", "Starts a conversation", post(chat))
            .takes(CodeRequest::default())
            .keyed(),
        Route::get("/v1/sessions/{session}", "One session in full", get(one)),
        Route::delete(
            "/v1/sessions/{session}",
            "Removes its private copy and hides it",
            delete(remove),
        ),
        Route::post("/v1/sessions/{session}/say", "Words for it", post(say))
            .takes(Words::default()),
        Route::post(
            "/v1/sessions/{session}/resume",
            "Goes on with it",
            post(resume),
        )
        .takes(ResumeRequest::default()),
        Route::post(
            "/v1/sessions/{session}/cancel",
            "Stops the running turn",
            post(cancel),
        ),
        Route::post(
            "/v1/sessions/{session}/undo",
            "Takes the last turn's changes back",
            post(undo),
        ),
        // A path of its own: an older node refuses it, where it would ignore a body.
        Route::post(
            "/v1/sessions/{session}/undo/{turn}",
            "Takes back what came after a turn",
            post(undo_to),
        ),
        Route::post(
            "/v1/sessions/{session}/fork",
            "A new session that goes on from a point of this one",
            post(fork),
        )
        .takes(ForkRequest::default())
        .keyed(),
        Route::post(
            "/v1/sessions/{session}/declassify",
            "Clears a label of its context, or of files of its workspace",
            post(declassify),
        )
        .takes(DeclassifyRequest {
            label: atoll_domain::Label::Untrusted,
            why: "I read it".into(),
            file: None,
        }),
        Route::get(
            "/v1/sessions/{session}/watch",
            "Its updates as they come",
            get(watch),
        )
        .query(&["cursor"])
        .gives(Gives::Lines),
    ]
}

#[derive(Deserialize)]
struct Limit {
    limit: Option<usize>,
}

async fn list(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<Limit>,
) -> Answer<Vec<SessionView>> {
    let limit = query.limit.unwrap_or(100).min(SESSIONS_MAX);
    Ok(Json(door.commands.sessions(&caller, limit).await?))
}

async fn code(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Key(key): Key,
    Body(request): Body<CodeRequest>,
) -> Answer<Started> {
    Ok(Json(door.commands.code(&caller, key, request).await?))
}

async fn chat(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Key(key): Key,
    Body(request): Body<CodeRequest>,
) -> Answer<Started> {
    Ok(Json(door.commands.chat(&caller, key, request).await?))
}

async fn one(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Name(session): Name,
) -> Answer<SessionDetail> {
    Ok(Json(door.commands.session(&caller, session).await?))
}

async fn remove(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Name(session): Name,
) -> Answer<()> {
    Ok(Json(door.commands.session_delete(&caller, session).await?))
}

/// A person's words.
#[derive(Default, Serialize, Deserialize)]
struct Words {
    text: String,
}

async fn say(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Name(session): Name,
    Body(words): Body<Words>,
) -> Answer<Started> {
    Ok(Json(door.commands.say(&caller, session, words.text).await?))
}

async fn resume(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Name(session): Name,
    Body(request): Body<ResumeRequest>,
) -> Answer<Started> {
    Ok(Json(door.commands.resume(&caller, session, request).await?))
}

async fn cancel(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Name(session): Name,
) -> Answer<()> {
    Ok(Json(door.commands.cancel(&caller, session).await?))
}

async fn undo(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Name(session): Name,
) -> Answer<SessionView> {
    Ok(Json(door.commands.session_undo(&caller, session).await?))
}

async fn undo_to(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Names(session, turn): Names,
) -> Answer<SessionView> {
    let turn = turn
        .parse()
        .map_err(|_| usage("a turn is a number, from 0"))?;
    Ok(Json(
        door.commands
            .session_undo_to(&caller, session, turn)
            .await?,
    ))
}

async fn fork(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Name(session): Name,
    Key(key): Key,
    Body(request): Body<ForkRequest>,
) -> Answer<SessionView> {
    Ok(Json(
        door.commands
            .session_fork(&caller, key, session, request)
            .await?,
    ))
}

async fn declassify(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Name(session): Name,
    Body(request): Body<DeclassifyRequest>,
) -> Answer<Cleared> {
    let done = door.commands.session_declassify(&caller, session, request);
    Ok(Json(done.await?))
}

#[derive(Deserialize)]
struct Cursor {
    #[serde(default)]
    cursor: u64,
}

async fn watch(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Name(session): Name,
    Query(query): Query<Cursor>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let updates = door.commands.watch(&caller, session, query.cursor).await?;
    Ok(stream::items(&headers, updates, |update| update.seq))
}
