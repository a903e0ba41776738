//! Certificate and key of the public listener: read and seen to fit together, so that what is wrong is told at the start.
//! Must not know connections.

use std::path::PathBuf;

use super::TlsSettings;
use super::layers::Layers;
use super::raw::RawTls;
use crate::files;
use crate::listener::Identity;
use crate::schema::{Faults, quoted};

/// What is to be written where one of the two is missing.
const BOTH: &str = "write both, as in tls = { cert_file = \"tls/fullchain.pem\", key_file = \"tls/privkey.pem\" }";

pub(super) fn read(raw: &RawTls, layers: &Layers, faults: &mut Faults) -> Option<TlsSettings> {
    let mut given = |key: &str, path: &Option<String>| {
        // One that is there and wrong has been told already.
        if path.is_none() && !layers.has(&format!("server.tls.{key}")) {
            let place = layers.place(&["server", "tls"]);
            faults.add(&place, format!("server.tls: {} is missing", quoted(key)), BOTH);
        }
        path.as_ref().map(PathBuf::from)
    };
    let (cert_file, key_file) = (given("cert_file", &raw.cert_file), given("key_file", &raw.key_file));
    let (cert_file, key_file) = (cert_file?, key_file?);
    match Identity::from_pem(&files::read(&cert_file), &files::read(&key_file)) {
        Ok(identity) => Some(TlsSettings { cert_file, key_file, validity: identity.validity() }),
        Err(unfit) => {
            // Somebody may have put the key in the place of its file.
            let (key, shown) = if unfit.is_of_the_key() {
                ("key_file", "the file that it names".to_owned())
            } else {
                ("cert_file", quoted(&cert_file.to_string_lossy()))
            };
            let message = format!("server.tls.{key}: {shown} {unfit}");
            faults.add(&layers.place(&["server", "tls", key]), message, unfit.advice());
            None
        }
    }
}
