import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.jwk.source.JWKSource;
import com.nimbusds.jose.jwk.source.JWKSourceBuilder;
import com.nimbusds.jose.proc.BadJWSException;
import com.nimbusds.jose.proc.JWSVerificationKeySelector;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jose.util.DefaultResourceRetriever;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.proc.BadJWTException;
import com.nimbusds.jwt.proc.DefaultJWTClaimsVerifier;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import com.nimbusds.oauth2.sdk.ClientCredentialsGrant;
import com.nimbusds.oauth2.sdk.OAuth2Error;
import com.nimbusds.oauth2.sdk.Scope;
import com.nimbusds.oauth2.sdk.TokenRequest;
import com.nimbusds.oauth2.sdk.TokenResponse;
import com.nimbusds.oauth2.sdk.as.AuthorizationServerMetadata;
import com.nimbusds.oauth2.sdk.auth.ClientAuthentication;
import com.nimbusds.oauth2.sdk.auth.ClientSecretBasic;
import com.nimbusds.oauth2.sdk.auth.ClientSecretPost;
import com.nimbusds.oauth2.sdk.auth.Secret;
import com.nimbusds.oauth2.sdk.http.HTTPRequest;
import com.nimbusds.oauth2.sdk.http.HTTPResponse;
import com.nimbusds.oauth2.sdk.id.ClientID;
import com.nimbusds.oauth2.sdk.id.Issuer;
import com.nimbusds.oauth2.sdk.token.AccessToken;
import com.nimbusds.oauth2.sdk.token.BearerAccessToken;
import com.nimbusds.openid.connect.sdk.op.OIDCProviderMetadata;
import java.io.InputStream;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocketFactory;
import javax.net.ssl.TrustManagerFactory;

/** The Nimbus libraries against the server that the environment names. Prints a line for each check. */
public final class Check {
    private static final Map<String, String> ENV = System.getenv();
    private static final String AUTH_URL = ENV.get("AUTH_URL");
    private static final String API_KEY = ENV.get("API_KEY");
    private static final String API_SECRET = ENV.get("API_SECRET");
    private static final String AUDIENCE = "api_providers";

    private interface Act {
        void run() throws Exception;
    }

    public static void main(String[] arguments) throws Exception {
        if (ENV.get("CA_CERT") != null) {
            SSLSocketFactory sockets = trusting(Path.of(ENV.get("CA_CERT")));
            HTTPRequest.setDefaultSSLSocketFactory(sockets);
        }
        Issuer issuer = new Issuer(AUTH_URL);
        OIDCProviderMetadata metadata = OIDCProviderMetadata.resolve(issuer);
        passed("oauth2-oidc-sdk: the OpenID metadata are those of the issuer");
        AuthorizationServerMetadata.parse(
            new String(retriever().retrieveResource(
                URI.create(AUTH_URL + "/.well-known/oauth-authorization-server").toURL()).getContent()));
        passed("oauth2-oidc-sdk: the RFC 8414 metadata under the issuer can be read");

        String token = getToken(metadata);
        verify(metadata, token);
        call(token);
    }

    private static String getToken(OIDCProviderMetadata metadata) throws Exception {
        ClientID id = new ClientID(API_KEY);
        Secret secret = new Secret(API_SECRET);
        AccessToken token = null;
        for (ClientAuthentication way : new ClientAuthentication[] {
            new ClientSecretBasic(id, secret), new ClientSecretPost(id, secret)}) {
            TokenResponse response = request(metadata, way);
            ensure(response.indicatesSuccess(), response.toHTTPResponse().getBody());
            token = response.toSuccessResponse().getTokens().getAccessToken();
            ensure(token.getLifetime() == 3600, "lifetime " + token.getLifetime());
            ensure(token.getScope().equals(new Scope("anonymous")), "scope " + token.getScope());
            passed("oauth2-oidc-sdk: " + way.getMethod());
        }
        TokenResponse refusal = request(metadata, new ClientSecretBasic(id, new Secret(API_SECRET + "x")));
        ensure(!refusal.indicatesSuccess(), "a wrong secret was accepted");
        ensure(refusal.toErrorResponse().getErrorObject().equals(OAuth2Error.INVALID_CLIENT), "not invalid_client");
        passed("oauth2-oidc-sdk: a wrong secret is invalid_client");
        return token.getValue();
    }

    private static TokenResponse request(OIDCProviderMetadata metadata, ClientAuthentication way) throws Exception {
        TokenRequest request = new TokenRequest(
            metadata.getTokenEndpointURI(), way, new ClientCredentialsGrant(), new Scope("anonymous"));
        return TokenResponse.parse(request.toHTTPRequest().send());
    }

    private static void verify(OIDCProviderMetadata metadata, String token) throws Exception {
        JWKSource<SecurityContext> keys =
            JWKSourceBuilder.create(metadata.getJWKSetURI().toURL(), retriever()).build();
        JWTClaimsSet claims = processor(keys, AUDIENCE).process(token, null);
        ensure(API_KEY.equals(claims.getStringClaim("cid")), "cid " + claims.getStringClaim("cid"));
        passed("nimbus-jose-jwt: the token verifies with the published keys");
        refused(BadJWSException.class, () -> processor(keys, AUDIENCE).process(altered(token), null));
        passed("nimbus-jose-jwt: an altered token is refused");
        refused(BadJWTException.class, () -> processor(keys, "another-audience").process(token, null));
        passed("nimbus-jose-jwt: another audience is refused");
    }

    private static DefaultJWTProcessor<SecurityContext> processor(JWKSource<SecurityContext> keys, String audience) {
        DefaultJWTProcessor<SecurityContext> processor = new DefaultJWTProcessor<>();
        processor.setJWSKeySelector(new JWSVerificationKeySelector<>(JWSAlgorithm.RS256, keys));
        processor.setJWTClaimsSetVerifier(new DefaultJWTClaimsVerifier<>(
            audience,
            new JWTClaimsSet.Builder().issuer(AUTH_URL).subject(API_KEY).build(),
            Set.of("jti", "iat", "exp", "cid", "scp")));
        return processor;
    }

    private static void call(String token) throws Exception {
        String customer = ENV.get("SUBSCRIPTION_ID");
        answers("an authorized call", token, customer, 200, null);
        answers("a call without Subscription-Id", token, null, 400, "MISSING-SUBSCRIPTION-ID");
        answers("a call for an unknown customer", token, UUID.randomUUID().toString(), 403, "SUBSCRIPTION-MISMATCH");
        answers("a call with an altered token", altered(token), customer, 401, "INVALID-TOKEN");
        answers("a call without a token", null, customer, 401, "MISSING-AUTHORIZATION");
    }

    private static void answers(String name, String token, String customer, int status, String code) throws Exception {
        HTTPRequest request = new HTTPRequest(HTTPRequest.Method.GET, URI.create(ENV.get("API_CALL_URL")));
        if (token != null) {
            request.setAuthorization(new BearerAccessToken(token).toAuthorizationHeader());
        }
        if (customer != null) {
            request.setHeader("Subscription-Id", customer);
        }
        HTTPResponse response = request.send();
        ensure(response.getStatusCode() == status, name + ": " + response.getStatusCode() + " " + response.getBody());
        if (code != null) {
            Object found = response.getBodyAsJSONObject().get("code");
            ensure(code.equals(found), name + ": code " + found);
        }
        passed("oauth2-oidc-sdk: " + name + (code == null ? " answers 200" : " is " + code));
    }

    /** The token with another signature of the same length, so that nothing but the signature is wrong. */
    private static String altered(String token) {
        int dot = token.lastIndexOf('.');
        int middle = dot + (token.length() - dot) / 2;
        char other = token.charAt(middle) == 'A' ? 'B' : 'A';
        return token.substring(0, middle) + other + token.substring(middle + 1);
    }

    private static DefaultResourceRetriever retriever() {
        SSLSocketFactory sockets = HTTPRequest.getDefaultSSLSocketFactory();
        return new DefaultResourceRetriever(5000, 5000, 0, true, sockets);
    }

    private static SSLSocketFactory trusting(Path certificate) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (InputStream in = Files.newInputStream(certificate)) {
            int number = 0;
            for (Certificate one : CertificateFactory.getInstance("X.509").generateCertificates(in)) {
                store.setCertificateEntry("ca" + number++, one);
            }
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context.getSocketFactory();
    }

    private static void refused(Class<? extends Exception> kind, Act act) throws Exception {
        try {
            act.run();
        } catch (Exception error) {
            if (kind.isInstance(error)) {
                return;
            }
            throw error;
        }
        throw new AssertionError("was accepted");
    }

    private static void ensure(boolean holds, String otherwise) {
        if (!holds) {
            throw new AssertionError(otherwise);
        }
    }

    private static void passed(String name) {
        System.out.println("ok " + name);
    }
}
