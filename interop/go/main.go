// Command interop-go uses the OAuth and JWT libraries of Go against the server that the environment names, and prints a
// line for each check.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

const audience = "api_providers"

var (
	authURL        = os.Getenv("AUTH_URL")
	apiKey         = os.Getenv("API_KEY")
	apiSecret      = os.Getenv("API_SECRET")
	apiCallURL     = os.Getenv("API_CALL_URL")
	subscriptionID = os.Getenv("SUBSCRIPTION_ID")
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	provider, err := oidc.NewProvider(ctx, authURL)
	must("go-oidc: the metadata are those of the issuer", err)

	token := getToken(ctx, provider)
	verify(ctx, provider, token)
	call(ctx, provider, token)
}

func must(name string, err error) {
	if err != nil {
		fmt.Printf("not ok %s: %v\n", name, err)
		os.Exit(1)
	}
	fmt.Println("ok", name)
}

func credentials(provider *oidc.Provider, secret string, style oauth2.AuthStyle) *clientcredentials.Config {
	return &clientcredentials.Config{
		ClientID:     apiKey,
		ClientSecret: secret,
		TokenURL:     provider.Endpoint().TokenURL,
		Scopes:       []string{"anonymous"},
		AuthStyle:    style,
	}
}

func getToken(ctx context.Context, provider *oidc.Provider) string {
	var token *oauth2.Token
	styles := map[string]oauth2.AuthStyle{
		"detected":     oauth2.AuthStyleAutoDetect,
		"Basic header": oauth2.AuthStyleInHeader,
		"body":         oauth2.AuthStyleInParams,
	}
	for name, style := range styles {
		answer, err := credentials(provider, apiSecret, style).Token(ctx)
		if err == nil && (answer.TokenType != "Bearer" || time.Until(answer.Expiry) < 59*time.Minute) {
			err = fmt.Errorf("token_type %q, ends %v", answer.TokenType, answer.Expiry)
		}
		must("x/oauth2 clientcredentials, credentials: "+name, err)
		token = answer
	}
	_, err := credentials(provider, apiSecret+"x", oauth2.AuthStyleInHeader).Token(ctx)
	var refusal *oauth2.RetrieveError
	if errors.As(err, &refusal) && refusal.ErrorCode == "invalid_client" && refusal.Response.StatusCode == 401 {
		err = nil
	} else {
		err = fmt.Errorf("expected invalid_client, got %w", err)
	}
	must("x/oauth2: a wrong secret is invalid_client", err)
	return token.AccessToken
}

func verify(ctx context.Context, provider *oidc.Provider, token string) {
	verifier := provider.VerifierContext(ctx, &oidc.Config{ClientID: audience})
	verified, err := verifier.Verify(ctx, token)
	if err == nil && verified.Subject != apiKey {
		err = fmt.Errorf("subject %q", verified.Subject)
	}
	var claims struct {
		ClientID string   `json:"cid"`
		Scopes   []string `json:"scp"`
		ID       string   `json:"jti"`
	}
	if err == nil {
		err = verified.Claims(&claims)
	}
	if err == nil && (claims.ClientID != apiKey || len(claims.Scopes) != 1 || claims.ID == "") {
		err = fmt.Errorf("claims %+v", claims)
	}
	must("go-oidc: the token verifies with the published keys", err)

	_, err = verifier.Verify(ctx, altered(token))
	must("go-oidc: an altered token is refused", refused(err))
	_, err = provider.VerifierContext(ctx, &oidc.Config{ClientID: "another-audience"}).Verify(ctx, token)
	must("go-oidc: another audience is refused", refused(err))
}

func refused(err error) error {
	if err == nil {
		return errors.New("was accepted")
	}
	return nil
}

// Another signature of the same length, so that nothing but the signature is wrong.
func altered(token string) string {
	parts := strings.Split(token, ".")
	signature := []byte(parts[2])
	middle := len(signature) / 2
	if signature[middle] == 'A' {
		signature[middle] = 'B'
	} else {
		signature[middle] = 'A'
	}
	return parts[0] + "." + parts[1] + "." + string(signature)
}

func call(ctx context.Context, provider *oidc.Provider, token string) {
	// The client of the library, which adds the token by itself.
	client := credentials(provider, apiSecret, oauth2.AuthStyleInHeader).Client(ctx)
	must("x/oauth2: its client makes an authorized call", answers(client, subscriptionID, "", http.StatusOK, ""))

	bearer := "Bearer " + token
	for _, row := range []struct {
		name, subscription, authorization string
		status                            int
		code                              string
	}{
		{"without Subscription-Id", "", bearer, 400, "MISSING-SUBSCRIPTION-ID"},
		{"for an unknown customer", randomUUID(), bearer, 403, "SUBSCRIPTION-MISMATCH"},
		{"with an altered token", subscriptionID, "Bearer " + altered(token), 401, "INVALID-TOKEN"},
		{"without a token", subscriptionID, "", 401, "MISSING-AUTHORIZATION"},
	} {
		err := answers(http.DefaultClient, row.subscription, row.authorization, row.status, row.code)
		must("net/http: a call "+row.name+" is "+row.code, err)
	}
}

func answers(client *http.Client, subscription, authorization string, status int, code string) error {
	address, err := url.Parse(apiCallURL)
	if err != nil {
		return err
	}
	request := &http.Request{Method: http.MethodGet, URL: address, Header: http.Header{}}
	if subscription != "" {
		request.Header.Set("Subscription-Id", subscription)
	}
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var body any
	if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
		return err
	}
	members, _ := body.(map[string]any)
	if response.StatusCode != status || (code != "" && members["code"] != code) {
		return fmt.Errorf("status %d, body %v", response.StatusCode, body)
	}
	return nil
}

func randomUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
