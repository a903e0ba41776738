//! The examples of the RFCs: their signatures are good here as there, and not when a bit is altered. They are no
//! sessions: their claims have no subject, which is told only after the signature.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use usher::session::{AudiencesSettings, Cause, IssuerSettings, KeySettings, Verifier};

use crate::session::{facts_at, open, with_keys};
use crate::support::keys::{at, b64};

/// The claims of the examples in RFC 7515 end here.
const ENDS: i64 = 1_300_819_380;
/// The claims of RFC 7515 A.1.1, in lines that end as they do there.
const CLAIMS: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

/// RFC 7515 A.1.
const HS256: [&str; 2] = ["eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"];
const HS256_KEY: &str = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";

/// RFC 7515 A.2.
const RS256: [&str; 2] = [
    "eyJhbGciOiJSUzI1NiJ9",
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9\
     uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB\
     _eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rq\
     Vt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
];
const RS256_N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yR\
     T-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXB\
     dQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9ia\
     GNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";

/// RFC 7515 A.3.
const ES256: [&str; 2] =
    ["eyJhbGciOiJFUzI1NiJ9", "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"];

/// RFC 8037 A.4, whose payload is a text.
const EDDSA: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
    hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

fn ed25519_key() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
}

fn joe(keys: KeySettings) -> Verifier {
    open(IssuerSettings { issuer: "joe".to_owned(), audiences: AudiencesSettings::Any, ..with_keys(keys, &[]) })
}

fn of_jwk(jwk: &Value) -> Verifier {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), json!({"keys": [jwk]}).to_string()).unwrap();
    joe(KeySettings::JwksFile(file.path().to_owned()))
}

/// Each example's key, header and signature.
fn examples() -> Vec<(&'static str, Verifier, [&'static str; 2])> {
    let p256 = json!({"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"});
    let secret = URL_SAFE_NO_PAD.decode(HS256_KEY).unwrap();
    vec![
        ("A.1", joe(KeySettings::Secret(secret.into())), HS256),
        ("A.2", of_jwk(&json!({"kty": "RSA", "n": RS256_N, "e": "AQAB"})), RS256),
        ("A.3", of_jwk(&p256), ES256),
    ]
}

fn cause(verifier: &Verifier, token: &str) -> usher::session::Refusal {
    facts_at(verifier, token, at(ENDS - 1)).unwrap_err()
}

/// The same text with the lowest bit of one of its bytes altered.
fn altered(encoded: &str, index: usize) -> String {
    let mut bytes = URL_SAFE_NO_PAD.decode(encoded).unwrap();
    bytes[index] ^= 1;
    b64(bytes)
}

#[test]
fn the_examples_of_rfc_7515_are_signed_and_have_no_subject() {
    for (example, verifier, [header, signature]) in examples() {
        let token = format!("{header}.{CLAIMS}.{signature}");
        assert_eq!(cause(&verifier, &token), Cause::Subject.into(), "{example}");
        for (other, _, [header, signature]) in examples().iter().filter(|(other, ..)| *other != example) {
            let token = format!("{header}.{CLAIMS}.{signature}");
            assert_eq!(cause(&verifier, &token), Cause::NoKeyFits.into(), "{other} for {example}");
        }
    }
}

#[test]
fn altered_by_a_bit_anywhere_they_are_not() {
    for (example, verifier, [header, signature]) in examples() {
        let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap().len();
        for index in 0..bytes {
            let token = format!("{header}.{CLAIMS}.{}", altered(signature, index));
            assert_eq!(cause(&verifier, &token), Cause::Signature.into(), "{example}: byte {index}");
        }
        for (name, from, to, why) in [
            ("a later end", "80,", "90,", Cause::Signature),
            ("another claim", "root", "roof", Cause::Signature),
            ("a line end of another kind", "\r\n", "\n ", Cause::Signature),
            ("another issuer", "joe", "job", Cause::Issuer),
        ] {
            let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(CLAIMS).unwrap()).unwrap();
            let claims = b64(claims.replacen(from, to, 1));
            assert_ne!(claims, CLAIMS, "{name}");
            assert_eq!(cause(&verifier, &format!("{header}.{claims}.{signature}")), why.into(), "{example}: {name}");
        }
    }
}

#[test]
fn the_example_of_rfc_7515_without_a_signature_is_refused_by_every_key() {
    // A.5, which RFC 7519 §6.1 repeats.
    for (example, verifier, [_, signature]) in examples() {
        let unsecured = format!("eyJhbGciOiJub25lIn0.{CLAIMS}.");
        assert_eq!(cause(&verifier, &unsecured), Cause::UnknownAlgorithm.into(), "{example}");
        let signed = format!("{unsecured}{signature}");
        assert_eq!(cause(&verifier, &signed), Cause::UnknownAlgorithm.into(), "{example}");
    }
}

#[test]
fn the_example_of_rfc_8037_is_signed_and_its_payload_is_no_claims() {
    let jwk = serde_json::from_value(ed25519_key()).unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(&jwk).unwrap();
    let (input, signature) = EDDSA.rsplit_once('.').unwrap();
    let verify = |signature: &str| {
        jsonwebtoken::crypto::verify(signature, input.as_bytes(), &key, jsonwebtoken::Algorithm::EdDSA).unwrap()
    };
    assert!(verify(signature));
    for index in 0..64 {
        assert!(!verify(&altered(signature, index)), "byte {index}");
    }
    assert_eq!(cause(&of_jwk(&ed25519_key()), EDDSA), Cause::Claims.into());
}
