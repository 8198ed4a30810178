//! The audit log of the installation and of an organization.

use portcullis_core::organization::MemberRole;

use crate::support::World;

#[tokio::test]
async fn an_operator_reads_and_filters_what_happened() {
    let world = World::new().await;
    let operator = world.operator().await;
    let path = "/admin/organizations/new";
    operator
        .submit(path, path, &[("name", "Acme")])
        .await
        .location();

    let all = operator.get("/admin/audit").await.expect(200);
    let own = operator
        .get("/admin/audit?action=organization.create&actor=operator0%40example.com")
        .await
        .expect(200);
    let none = operator
        .get("/admin/audit?actor=nobody%40example.com")
        .await
        .expect(200);
    let refused = operator
        .get("/admin/audit?from=yesterday")
        .await
        .expect(422);

    assert!(all.has("Organization created") && all.has("User created"));
    assert!(own.has("Organization created") && own.has("Acme") && !own.has("User created"));
    assert!(own.has("format=csv") && own.has("action=organization.create"));
    assert!(none.has("Nothing matches") && none.has("value=\"nobody@example.com\""));
    assert!(refused.has("value=\"yesterday\"") && refused.has("role=\"alert\""));
}

#[tokio::test]
async fn an_export_has_the_entries_of_the_filter() {
    let world = World::new().await;
    world.organization("Acme").await;
    let operator = world.operator().await;

    let lines = operator
        .get("/admin/audit/export?action=organization.&format=ndjson")
        .await
        .expect(200);
    let csv = operator
        .get("/admin/audit/export?action=organization.&format=csv")
        .await
        .expect(200);

    assert_eq!(lines.header("content-type"), "application/x-ndjson");
    assert!(lines.header("content-disposition").contains("audit.ndjson"));
    assert_eq!(lines.html.lines().count(), 1);
    assert!(csv.html.starts_with("id,at,actor") && csv.html.contains("organization.create"));
}

#[tokio::test]
async fn an_organization_sees_its_own_entries_alone() {
    let world = World::new().await;
    let (acme, other) = (
        world.organization("Acme").await,
        world.organization("Other").await,
    );
    let owner = world.member(&acme, MemberRole::Owner).await;
    let viewer = world.member(&acme, MemberRole::Viewer).await;

    let page = owner.get("/organization/audit").await.expect(200);
    let export = owner.get("/organization/audit/export").await.expect(200);
    let sneaky = owner
        .get(&format!("/organization/audit?organization_id={other}"))
        .await
        .expect(200);

    assert!(page.has(acme.as_str()) && !page.has(other.as_str()));
    assert!(export.html.contains(acme.as_str()) && !export.html.contains(other.as_str()));
    assert!(
        !sneaky
            .html
            .replace("organization_id=", "")
            .contains(other.as_str())
            || sneaky.has(acme.as_str())
    );
    viewer.get("/organization/audit").await.expect(403);
    viewer.get("/organization/audit/export").await.expect(403);
}
