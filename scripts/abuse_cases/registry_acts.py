"""What an act of the registry must stop, with the very next request: rows 25, 49, 53 and 54. And the recorder's own API."""

import base64
import uuid

import wire
from management import Management
from .scene import CLIENT, gateway_error, status

INVALID = gateway_error((401, "INVALID-TOKEN"))
MISMATCH = gateway_error((403, "SUBSCRIPTION-MISMATCH"))
INACTIVE = gateway_error((403, "API-SUBSCRIPTION-INACTIVE"))
NOT_SELECTED = gateway_error((403, "UNAUTHORIZED-API-ACCESS"))
BASE_PATH = "/recorder"


def register_recorder(env, recorder):
    """Makes an API whose provider is the recorder and lets the sample app select it, so that its customer is connected.

    Returns the path of the API at the gateway and the Subscription-Id.
    """
    client = Management(env)
    provider = client.get(f"/v1/apis/{env['API_ID']}")["organization_id"]
    namespace = client.get(f"/v1/organizations/{provider}")["namespaces"][0]
    api = client.post("/v1/apis", {"organization_id": provider, "name": f"Recorder {uuid.uuid4()}", "visibility": "public"})
    instance = client.post(f"/v1/apis/{api['id']}/instances", {
        "environment": "production", "namespace": namespace, "base_path": f"{BASE_PATH}-{recorder.port}", "version": "1.0.0", "target_url": recorder.url,
    })
    app = client.get(f"/v1/apps/{env['APP_ID']}")
    client.request("PATCH", f"/v1/apps/{app['id']}", {"apis": [*app["apis"], api["id"]]})
    client.close()
    recorder.base = f"{BASE_PATH}-{recorder.port}".encode()
    env["RECORDER_API_ID"] = api["id"]
    return instance["gateway_path"], env["SUBSCRIPTION_ID"]


class App:
    """An app of the test's own, with its credentials and what it may be asked to do."""

    def __init__(self, scene, client, apis):
        self.scene = scene
        self.client = client
        owner = client.get(f"/v1/apps/{scene.env['APP_ID']}")["organization_id"]
        made = client.post("/v1/apps", {"name": f"acts-{uuid.uuid4().hex[:8]}", "organization_id": owner, "apis": apis})
        self.id, self.key, self.secret, self.secret_id = made["id"], made["api_key"], made["api_secret"], made["secret"]["id"]

    def activate(self):
        """Activated for the customer of the sample app. Returns the new Subscription-Id."""
        buyer = self.client.get(f"/v1/subscriptions/{self.scene.env['SUBSCRIPTION_ID']}")["organization_id"]
        identifier = self.client.post(f"/v1/apps/{self.id}/subscriptions", {"organization_id": buyer})["id"]
        self.scene.recorder.subscription_ids.add(identifier.encode())
        return identifier

    def ask_token(self, secret=None):
        value = "Basic " + base64.b64encode(f"{self.key}:{secret or self.secret}".encode()).decode()
        return wire.exchange(self.scene.auth, self.scene.token_request([("Authorization", value)], authorization=False))

    def token(self, secret=None):
        return self.ask_token(secret).json()["access_token"]

    def call(self, token, subscription_id):
        return call(self.scene, token, subscription_id)

    def act(self, what, body=None):
        self.client.post(f"/v1/apps/{self.id}/{what}", body)


def call(scene, token, subscription_id):
    _, target = scene.marked()
    return wire.exchange(scene.gateway, scene.call(target, [("Subscription-Id", subscription_id)], token=token, subscription=False))


def check(scene):
    client = Management(scene.env)

    def holds(name, answer, expect):
        wrong = expect(answer)
        scene.report.check(name, wrong is None, f"{wrong}; got {answer}")

    identifiers(scene, client, holds)
    states(scene, client, holds)
    secrets(scene, client, holds)
    apps(scene, client, holds)
    client.close()


def identifiers(scene, client, holds):
    """Row 53: ids that exist, but are not the caller's, look exactly like ids that do not exist."""
    app = App(scene, client, [scene.env["RECORDER_API_ID"]])
    own, token = app.activate(), app.token()
    holds(" 53 an app of its own may call", app.call(token, own), status(200))
    foreign, unknown = app.call(token, scene.subscription_id), app.call(token, str(uuid.uuid4()))
    holds(" 53 another app's subscription", foreign, MISMATCH)
    holds(" 53 its subscription, used by another app", call(scene, scene.token, own), MISMATCH)
    texts = [{name: value for name, value in answer.json().items() if name != "requestId"} for answer in (foreign, unknown)]
    scene.report.check(" 53 a foreign id and an unknown id get the same answer", texts[0] == texts[1], texts)
    holds(" 53 a test subscription in production", app.call(token, scene.env["TEST_SUBSCRIPTION_ID"]), MISMATCH)
    other = App(scene, client, [scene.env["API_ID"]])
    holds(" 53 an app that has not selected the API", other.call(other.token(), other.activate()), NOT_SELECTED)
    provider = client.get(f"/v1/apis/{scene.env['API_ID']}/instances")["items"][0]["test_subscription_id"]
    holds(" 53 another API's test subscription", app.call(token, provider), MISMATCH)


def states(scene, client, holds):
    """Row 54, and 49 for subscriptions: an act takes effect with the next call, while the token stays valid."""
    app = App(scene, client, [scene.env["RECORDER_API_ID"]])
    own, token = app.activate(), app.token()
    holds(" 54 an active subscription", app.call(token, own), status(200))
    client.post(f"/v1/subscriptions/{own}/suspend")
    holds(" 54 a suspended subscription", app.call(token, own), INACTIVE)
    client.post(f"/v1/subscriptions/{own}/resume")
    holds(" 54 a resumed subscription", app.call(token, own), status(200))
    client.post(f"/v1/subscriptions/{own}/end")
    holds(" 49 an ended subscription: the very next call, with a valid token", app.call(token, own), INACTIVE)
    again = app.activate()
    holds(" 49 the token is still valid: it opens the next activation", app.call(token, again), status(200))
    holds(" 54 the ended one stays ended", app.call(token, own), INACTIVE)


def secrets(scene, client, holds):
    """Row 25: ended secrets get no token. Tokens already issued go on, unless the secret was compromised."""
    app = App(scene, client, [scene.env["RECORDER_API_ID"]])
    own, token = app.activate(), app.token()
    second = client.post(f"/v1/apps/{app.id}/secrets")["secret"]
    holds(" 25 two live secrets: the first", app.ask_token(), status(200))
    holds(" 25 two live secrets: the second", app.ask_token(second), status(200))
    app.act(f"secrets/{app.secret_id}/expire", {})
    holds(" 25 an ended secret", app.ask_token(), CLIENT)
    holds(" 25 the other one", app.ask_token(second), status(200))
    holds(" 25 a token issued before a planned end", app.call(token, own), status(200))
    third = client.post(f"/v1/apps/{app.id}/secrets")
    fresh = app.token(third["secret"])
    app.act(f"secrets/{third['id']}/expire", {"compromised": True})
    holds(" 25 a compromised secret", app.ask_token(third["secret"]), CLIENT)
    holds(" 49 a token issued before a secret was compromised", app.call(fresh, own), INVALID)
    holds(" 49 a token issued after it", app.call(app.token(second), own), status(200))
    last = app.token(second)
    app.act("revoke_tokens")
    holds(" 49 a token issued before all were revoked", app.call(last, own), INVALID)
    holds(" 49 a token issued after it", app.call(app.token(second), own), status(200))


def apps(scene, client, holds):
    """Rows 25 and 49 for apps: disabled, enabled, deleted."""
    app = App(scene, client, [scene.env["RECORDER_API_ID"]])
    own, token = app.activate(), app.token()
    app.act("disable")
    holds(" 49 a token of a disabled app", app.call(token, own), INVALID)
    holds(" 25 the secret of a disabled app", app.ask_token(), CLIENT)
    app.act("enable")
    holds(" 49 a token of an enabled app", app.call(app.token(), own), status(200))
    token = app.token()
    # An app that customers still use is not deleted.
    client.post(f"/v1/subscriptions/{own}/end")
    client.request("DELETE", f"/v1/apps/{app.id}")
    holds(" 49 a token of a deleted app", app.call(token, own), INVALID)
    holds(" 25 the secret of a deleted app", app.ask_token(), CLIENT)
