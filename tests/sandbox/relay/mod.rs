//! The relay over a real WebSocket, by a client that is not the SDK: what the SDK would never send too.

mod bounds;
mod doors;
mod frames;
mod methods;
mod rights;
mod time;

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async, connect_async};
use usher::sandbox::Sandbox;

use super::{API_TOKEN, PROJECT, Running};

/// A clock of the test's own, which begins at [`super::NOW`].
macro_rules! clock {
    () => {{
        static NOW: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(super::super::NOW);
        $crate::sandbox::relay::Clock { now: &NOW, read: || NOW.load(std::sync::atomic::Ordering::SeqCst) }
    }};
}
use clock;

struct Clock {
    now: &'static std::sync::atomic::AtomicU64,
    read: fn() -> u64,
}

impl Clock {
    fn move_on(&self, seconds: u64) {
        self.now.fetch_add(seconds, std::sync::atomic::Ordering::SeqCst);
    }

    async fn sandbox(&self) -> Running {
        Running::serve(Sandbox::new(PROJECT, API_TOKEN, self.read).for_this_machine_alone()).await
    }
}

/// What a call gave: its result, or the error's code and message.
type Outcome = Result<Value, (i64, String)>;

/// How long anything is waited for.
const SOON: Duration = Duration::from_secs(10);

impl Running {
    fn relay(&self) -> String {
        self.url.replace("http://", "ws://").replace("/api/chat/tokens", "/")
    }

    /// A token for this member, who may do in these channels what the letters say.
    async fn token(&self, member: &str, channels: &[(&str, &str)]) -> String {
        self.token_of(&json!({"member_id": member, "channels": rights(channels)})).await
    }

    async fn token_of(&self, more: &Value) -> String {
        let (status, answer) = self.send(super::valid_but(more.clone()).to_string()).await;
        assert_eq!(status, 200, "{answer}");
        answer["token"].as_str().unwrap().to_owned()
    }

    /// A WebSocket that has said nothing yet, from a page of this origin, or from none.
    async fn open(&self, origin: Option<&str>, host: Option<&str>) -> Result<Peer, Error> {
        let mut request = self.relay().into_client_request().unwrap();
        for (name, value) in [("origin", origin), ("host", host)] {
            if let Some(value) = value {
                request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
            }
        }
        let (socket, _) = connect_async(request).await?;
        Ok(Peer { socket, pushed: VecDeque::new(), calls: 0 })
    }

    async fn stranger(&self) -> Peer {
        self.open(None, None).await.unwrap()
    }

    /// A member in a channel, that will not read: little waits in the kernel for it.
    async fn deaf(&self, token: &str, channel: &str) -> Peer {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        let address = self.relay().trim_start_matches("ws://").trim_end_matches('/').parse().unwrap();
        let stream = MaybeTlsStream::Plain(socket.connect(address).await.unwrap());
        let (socket, _) = client_async(self.relay(), stream).await.unwrap();
        let mut peer = Peer { socket, pushed: VecDeque::new(), calls: 0 };
        peer.connect(token).await.unwrap();
        peer.subscribe(&[channel]).await;
        peer
    }

    /// A member that is connected.
    async fn peer(&self, member: &str, channels: &[(&str, &str)]) -> Peer {
        self.peer_with(&self.token(member, channels).await).await
    }

    async fn peer_with(&self, token: &str) -> Peer {
        let mut peer = self.stranger().await;
        peer.connect(token).await.unwrap();
        peer
    }
}

/// `rw` as a token has it.
fn rights(channels: &[(&str, &str)]) -> Value {
    let each = channels.iter().map(|(name, letters)| {
        ((*name).to_owned(), json!({"read": letters.contains('r'), "write": letters.contains('w')}))
    });
    Value::Object(each.collect())
}

/// Channels as requests name them.
fn named(names: &[&str]) -> Value {
    names.iter().map(|name| json!({"name": name})).collect()
}

struct Peer {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pushed: VecDeque<Value>,
    calls: u64,
}

impl Peer {
    async fn say(&mut self, text: impl Into<String>) {
        self.socket.send(Message::text(text.into())).await.unwrap();
    }

    /// The next frame; nothing at the connection's end.
    async fn frame(&mut self) -> Option<Value> {
        loop {
            match timeout(SOON, self.socket.next()).await.unwrap() {
                Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(other)) => panic!("{other:?}"),
            }
        }
    }

    /// The next answer; what is pushed before it is kept.
    async fn answer(&mut self) -> Value {
        loop {
            let frame = self.frame().await.unwrap();
            if frame.get("method").is_none() {
                return frame;
            }
            self.pushed.push_back(frame);
        }
    }

    async fn call(&mut self, method: &str, params: Value) -> Outcome {
        self.calls += 1;
        let id = format!("call-{}", self.calls);
        self.say(json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string()).await;
        let answer = self.answer().await;
        assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!(id)), "{answer}");
        match (answer.get("result"), answer.get("error")) {
            (Some(result), None) => Ok(result.clone()),
            (None, Some(error)) => {
                Err((error["code"].as_i64().unwrap(), error["message"].as_str().unwrap().to_owned()))
            }
            _ => panic!("{answer}"),
        }
    }

    async fn connect(&mut self, token: &str) -> Outcome {
        self.call("signalwire.connect", json!({"authentication": {"jwt_token": token}, "event_acks": true})).await
    }

    async fn renew(&mut self, token: &str) -> Outcome {
        let authentication = json!({"project": PROJECT, "jwt_token": token});
        self.call("signalwire.reauthenticate", json!({"authentication": authentication})).await
    }

    async fn subscribe(&mut self, names: &[&str]) {
        assert_eq!(self.call("chat.subscribe", json!({"channels": named(names)})).await, done(), "{names:?}");
    }

    async fn publish(&mut self, channel: &str, content: impl Into<Value>) {
        let said = json!({"channel": channel, "content": content.into()});
        assert_eq!(self.call("chat.publish", said).await, done(), "{channel}");
    }

    async fn messages(&mut self, channel: &str, cursor: Value) -> (Vec<Value>, Value) {
        let params = json!({"channel": channel, "cursor": cursor});
        let mut page = self.call("chat.messages.get", params).await.unwrap();
        let contents = page["messages"].as_array().unwrap().iter().map(|message| message["content"].clone()).collect();
        (contents, page["cursor"].take())
    }

    /// The next push, as `event_type` and `params`, acknowledged as the SDK does.
    async fn event(&mut self) -> (String, Value) {
        let mut frame = match self.pushed.pop_front() {
            Some(frame) => frame,
            None => self.frame().await.unwrap(),
        };
        assert_eq!((&frame["method"], &frame["params"]["event_channel"]), (&json!("signalwire.event"), &json!("chat")));
        assert!(frame["params"]["timestamp"].as_f64().unwrap() >= 1.8e9, "{frame}");
        self.say(json!({"jsonrpc": "2.0", "id": frame["id"], "result": {}}).to_string()).await;
        let kind = frame["params"]["event_type"].as_str().unwrap().to_owned();
        (kind, frame["params"]["params"].take())
    }

    /// The next push, as `joined alice in a` or `alice said "x" in a`.
    async fn hears(&mut self) -> String {
        let (kind, params) = self.event().await;
        let channel = params["channel"].as_str().unwrap();
        if let Some(what) = kind.strip_prefix("chat.member.") {
            assert_eq!(params["member"]["channel"], channel, "{params}");
            return format!("{what} {} in {channel}", params["member"]["id"].as_str().unwrap());
        }
        let message = &params["message"];
        format!("{} said {} in {channel}", message["member"]["id"].as_str().unwrap(), message["content"])
    }

    /// All that was pushed until now: what was pushed before a request comes before its answer.
    async fn heard(&mut self) -> Vec<String> {
        self.call("signalwire.ping", json!({})).await.unwrap();
        let mut heard = Vec::new();
        while !self.pushed.is_empty() {
            heard.push(self.hears().await);
        }
        heard
    }

    /// The code and reason that the other side closes with.
    async fn closed(&mut self) -> (u16, String) {
        loop {
            match timeout(SOON, self.socket.next()).await.unwrap() {
                Some(Ok(Message::Close(Some(frame)))) => return (frame.code.into(), frame.reason.to_string()),
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it is compared with what a call gave")]
fn done() -> Outcome {
    Ok(json!({"code": "200", "message": "OK"}))
}

/// That a call was refused with this code, and that these words say why.
#[track_caller]
fn refused(outcome: Outcome, code: i64, words: &[&str]) {
    let (found, message) = outcome.unwrap_err();
    assert_eq!(found, code, "{message}");
    for word in words {
        assert!(message.contains(word), "`{word}` is not in: {message}");
    }
}
