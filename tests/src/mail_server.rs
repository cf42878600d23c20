//! A mail server that does what a test wants: it accepts mails and keeps them, refuses them, is silent, or ends the connection,
//! in any phase of the conversation.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use plaudit::config::{Config, MailTarget, SmtpServer, Tls};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A phase of the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// After the connection.
    Greeting,
    /// After EHLO.
    Hello,
    /// After MAIL FROM.
    Sender,
    /// After RCPT TO.
    Recipient,
    /// After DATA.
    Data,
    /// After the whole content.
    Content,
}

/// What happens once, when its phase is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailFault {
    /// The server answers with this line.
    Answer(Phase, &'static str),
    /// The server answers with this text again and again, until the client goes.
    Flood(Phase, &'static str),
    /// The server never answers.
    Stall(Phase),
    /// The server ends the connection without an answer.
    Cut(Phase),
    /// The server keeps the mail, and ends the connection without an answer.
    KeepAndCut,
}

impl MailFault {
    fn phase(self) -> Phase {
        match self {
            Self::Answer(phase, _) | Self::Flood(phase, _) | Self::Stall(phase) | Self::Cut(phase) => phase,
            Self::KeepAndCut => Phase::Content,
        }
    }
}

#[derive(Default)]
struct State {
    faults: VecDeque<MailFault>,
    mails: Vec<(String, Vec<u8>)>,
}

/// The server. Dropping it closes its connections.
pub struct MailServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    _connections: JoinSet<()>,
}

impl MailServer {
    /// Starts the server.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        let mut connections = JoinSet::new();
        connections.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                open.spawn(converse(stream, Arc::clone(&shared)));
            }
        });
        Self { address, state, _connections: connections }
    }

    /// Changes the settings so that mails go here, and silence ends after half a second.
    pub fn receive(&self, config: &mut Config) {
        let (host, port) = (self.address.ip().to_string(), self.address.port());
        config.mail.target =
            Some(MailTarget::Smtp(SmtpServer { host, port, tls: Tls::Offered, login: None }));
        config.mail.timeout = Duration::from_millis(500);
    }

    /// The next faults. Each happens once, in this order.
    pub fn plan(&self, faults: impl IntoIterator<Item = MailFault>) {
        self.state.lock().unwrap().faults.extend(faults);
    }

    /// The number of faults that have not happened yet.
    pub fn faults_left(&self) -> usize {
        self.state.lock().unwrap().faults.len()
    }

    /// The kept mails, in order: the address in RCPT TO, and the content.
    pub fn mails(&self) -> Vec<(String, Vec<u8>)> {
        self.state.lock().unwrap().mails.clone()
    }
}

/// The fault of this phase, if it is the next one.
fn next(state: &Mutex<State>, phase: Phase) -> Option<MailFault> {
    let faults = &mut state.lock().unwrap().faults;
    faults.pop_front_if(|fault| fault.phase() == phase)
}

async fn converse(stream: TcpStream, state: Arc<Mutex<State>>) {
    // The other side may have gone; then the conversation is over.
    let _ = talk(stream, &state).await;
}

/// Sends the answer of a phase. `None` ends the connection.
async fn answer(
    stream: &mut BufReader<TcpStream>,
    fault: Option<MailFault>,
    usual: &str,
) -> std::io::Result<Option<bool>> {
    let line = match fault {
        None => usual,
        Some(MailFault::Answer(_, line)) => line,
        Some(MailFault::Flood(_, text)) => {
            let many = text.repeat(1_000);
            loop {
                stream.write_all(many.as_bytes()).await?;
            }
        }
        Some(MailFault::Stall(_)) => {
            // Until the client goes.
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await?;
            return Ok(None);
        }
        Some(MailFault::Cut(_) | MailFault::KeepAndCut) => return Ok(None),
    };
    stream.write_all(format!("{line}\r\n").as_bytes()).await?;
    Ok(Some(line.starts_with(['2', '3'])))
}

async fn talk(stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut to = String::new();
    if answer(&mut stream, next(state, Phase::Greeting), "220 mail.test ready").await? != Some(true) {
        return Ok(());
    }
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let (phase, usual) = match line.get(..4).unwrap_or_default().to_ascii_uppercase().as_str() {
            "EHLO" => (Phase::Hello, "250 mail.test"),
            "MAIL" => (Phase::Sender, "250 fine"),
            "RCPT" => {
                line.trim().trim_start_matches(|letter| letter != '<').clone_into(&mut to);
                (Phase::Recipient, "250 fine")
            }
            "DATA" => (Phase::Data, "354 go on"),
            "QUIT" => {
                stream.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            _ => {
                stream.write_all(b"250 fine\r\n").await?;
                continue;
            }
        };
        let Some(goes_on) = answer(&mut stream, next(state, phase), usual).await? else { return Ok(()) };
        if phase != Phase::Data || !goes_on {
            continue;
        }
        let mut content = Vec::new();
        while !content.ends_with(b"\r\n.\r\n") {
            if stream.read_until(b'\n', &mut content).await? == 0 {
                return Ok(());
            }
        }
        content.truncate(content.len() - 3);
        let fault = next(state, Phase::Content);
        if matches!(fault, None | Some(MailFault::KeepAndCut)) {
            let to = to.trim_matches(['<', '>']).to_owned();
            state.lock().unwrap().mails.push((to, content));
        }
        if answer(&mut stream, fault, "250 kept").await?.is_none() {
            return Ok(());
        }
    }
}
