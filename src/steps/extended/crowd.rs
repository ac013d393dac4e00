//! Many requests at once, of two users, mixed over the contexts.

use futures::future::join_all;

use crate::{
    evidence::EvidenceKind,
    probe::{browser::Hop, http::Request, log::Window},
    stack::{Act, Service},
    steps,
    steps::{
        phase3::kept_out,
        run::{Run, Sent},
        session::Session,
        tracking::pairs_of_requests,
        world::{Args, Blame, Seen, StepError, StepResult, World, expect},
    },
};

steps! {
    /// A session of a second user, who need not be an admin, and the contexts that let that user
    /// in: the profile's plain user, or the test user where only that one is allowed.
    Given "^a second user has a session$" => second_user, "crowd.user";
    /// So many requests at once, the session's over all contexts, every second one the second
    /// user's over those that let that user in.
    When "^the two of them make (?P<count>[0-9]+) requests at once, mixed over all contexts$" => at_once, "crowd.sent";
    /// None of them failed, was refused or was sent to the login.
    Then "^every request is served, and none with 5xx$" => none_failed, "crowd.served";
    /// Exactly one pair a request, under its own user and in its own context.
    Then "^each has exactly one tracking pair, of its own user in its own context$" => own_pairs, "crowd.pairs", crate::steps::tracking::CODES;
}

/// The second user, and the contexts that let that user in.
#[derive(Debug)]
pub struct Second {
    session: Session,
    contexts: Vec<String>,
}

async fn second_user(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let plain = run.email("plain user")?;
    let session = match run.stack.may(Act::LogIn(&plain)).await {
        Ok(()) => run.need_session(&plain).await?,
        Err(_) => run.need_session(&run.email("test user")?).await?,
    };
    let mut contexts = Vec::new();
    for name in run.profile.contexts.keys() {
        let request = tracked(&run, &session, name)?.1;
        let answer = run.http.send(&request).await?;
        if kept_out(&run, &answer).is_none() {
            contexts.push(name.clone());
        }
    }
    if contexts.is_empty() {
        return Err(StepError::Skip(format!(
            "no context lets {} in: two users cannot be mixed",
            session.email
        )));
    }
    world.scene.second = Some(Second { session, contexts });
    Ok(())
}

/// A request of a session for a context.
fn tracked(run: &Run, session: &Session, context: &str) -> Result<(Sent, Request), StepError> {
    let path = run.profile.contexts.get(context);
    let path = path.map_or("/", |context| context.path.as_str());
    let (url, nonce) = run.page(path)?;
    let cookies = session.browser.cookies(&url).unwrap_or_default();
    let sent = Sent {
        nonce,
        email: session.email.clone(),
        context: context.to_owned(),
    };
    Ok((sent, Request::get(url).header("cookie", &cookies)))
}

async fn at_once(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let count: usize = args.number("count")?;
    run.stack.may(Act::Load).await?;
    let first = world.session()?.copy();
    let all: Vec<String> = run.profile.contexts.keys().cloned().collect();
    let second = world.scene.second.as_ref();
    let second = second
        .ok_or_else(|| StepError::harness("mix two users", "a second one", "there is none"))?;
    let mut requests = Vec::new();
    for number in 0..count {
        let (session, contexts) = match number % 2 {
            0 => (&first, &all),
            _ => (&second.session, &second.contexts),
        };
        let context = contexts.get(number / 2 % contexts.len());
        requests.push(tracked(&run, session, context.map_or("", String::as_str))?);
    }
    world.scene.window = Some(Window::open(&*run.stack, Service::Gateway).await?);
    let answers = join_all(requests.iter().map(|(_, request)| run.http.send(request))).await;
    let mut wrong = Vec::new();
    for ((sent, request), answer) in requests.iter().zip(answers) {
        let seen = match answer {
            Ok(answer) if kept_out(&run, &answer).is_none() => continue,
            Ok(answer) => {
                let text = answer.summary();
                world.scene.answers.push(Hop {
                    request: request.clone(),
                    response: answer,
                });
                text
            }
            Err(error) => error.to_string(),
        };
        wrong.push(format!("{} {}: {seen}", sent.email, request.url));
    }
    world.saw(
        EvidenceKind::Exchange,
        &format!("{count} requests at once, {} not served", wrong.len()),
        &wrong.join("\n"),
    );
    world.scene.sent = requests.into_iter().map(|(sent, _)| sent).collect();
    world.scene.not_served = wrong;
    Ok(())
}

async fn none_failed(world: &mut World, _: Args) -> StepResult {
    let wrong = &world.scene.not_served;
    let shown: Vec<&str> = wrong.iter().take(5).map(String::as_str).collect();
    expect(
        Blame::Candidate,
        !world.scene.sent.is_empty() && wrong.is_empty(),
        format!("make {} requests at once", world.scene.sent.len()),
        "each is served",
        Seen::from(format!("{} are not: {}", wrong.len(), shown.join("\n")))
            .worst(world.scene.answers.iter().map(|hop| &hop.response)),
    )
}

async fn own_pairs(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let sent = world.scene.sent.clone();
    let window = world.window()?;
    let did = format!("make {} requests of two users", sent.len());
    pairs_of_requests(world, &run, &window, &sent, &did).await
}
