//! `atoll status`.

use atoll_api::{Commands, Error};

use crate::app::{App, now};
use crate::ui;

pub async fn run(app: &App) -> Result<u8, Error> {
    let status = app.node().await?.status(&app.caller()).await?;
    app.show("status", &status, |style| ui::status(style, &status, now()))
}
