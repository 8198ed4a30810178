//! `/admin/nodes`: the processes that decide from this database.

use askama::Template;
use axum::extract::Path;
use portcullis_registry::wire::{Gone, Listed, Node};

use super::{lagging, unless_typed};
use crate::{
    failure::Failure,
    flash::Flash,
    form::Form,
    layout::{Section, Shell},
    page::{Answer, Page},
    sent::Sent,
    view,
};

/// A node, and how far it is behind the newest.
pub(super) struct Line {
    pub(super) node: Node,
    pub(super) lag: Option<i64>,
}

impl Line {
    /// Whether it has loaded what the newest node has.
    pub(super) fn is_current(&self) -> bool {
        self.lag == Some(0)
    }

    pub(super) fn state(&self) -> view::Markup {
        match self.lag {
            None => view::status("wait", "clock", "Loading"),
            Some(0) => view::status("good", "check", "Up to date"),
            Some(1) => view::status("wait", "clock", "1 change behind"),
            Some(lag) => view::status("wait", "clock", &format!("{lag} changes behind")),
        }
    }
}

#[derive(Template)]
#[template(path = "admin/nodes.html")]
struct Nodes {
    shell: Shell,
    nodes: Vec<Line>,
}

#[derive(Template)]
#[template(path = "admin/nodes_forget.html")]
struct Forget {
    shell: Shell,
    form: Form,
    action: String,
    node: Node,
}

/// The node set.
pub(super) async fn lines(page: &Page) -> Result<Vec<Line>, Failure> {
    let nodes = page
        .api()?
        .get::<Listed<Node>>("/v1/nodes", &[])
        .await?
        .value
        .items;
    let newest = nodes.iter().filter_map(|node| node.seq).max();
    let line = |node: Node| Line {
        lag: newest.zip(node.seq).map(|(newest, own)| newest - own),
        node,
    };
    Ok(nodes.into_iter().map(line).collect())
}

/// `GET /admin/nodes`.
pub(crate) async fn list(page: Page) -> Answer {
    page.show(&Nodes {
        shell: page.shell(Section::Nodes, "Nodes"),
        nodes: lines(&page).await?,
    })
}

async fn asked(page: &Page, id: &str, form: Form) -> Answer {
    let nodes = lines(page).await?;
    let node = nodes.into_iter().find(|line| line.node.id == id);
    let node = node.ok_or(Failure::NotFound)?.node;
    let status = form.status();
    let shell = page.shell(Section::Nodes, &format!("Forget node {id}"));
    let shell = shell.crumb("Nodes", "/admin/nodes");
    let forget = Forget {
        shell,
        form,
        action: format!("/admin/nodes/{id}/forget"),
        node,
    };
    page.show_with(status, &forget)
}

/// `GET /admin/nodes/{node_id}/forget`.
pub(crate) async fn ask(page: Page, Path(id): Path<String>) -> Answer {
    asked(&page, &id, Form::empty()).await
}

/// `POST /admin/nodes/{node_id}/forget`.
pub(crate) async fn forget(page: Page, Path(id): Path<String>, sent: Sent) -> Answer {
    if let Some(form) = unless_typed(&sent, &id) {
        return asked(&page, &id, form).await;
    }
    let path = ("/v1/nodes/{node_id}/forget", [id.as_str()]);
    match page.api()?.post::<Gone>(path, &()).await {
        Ok(gone) => {
            let text = format!(
                "Nothing waits for {id} any more.{}",
                lagging(gone.lagging())
            );
            Ok(page.go_saying("/admin/nodes", &Flash::success(text)))
        }
        Err(error) => asked(&page, &id, sent.refused(error)?).await,
    }
}
