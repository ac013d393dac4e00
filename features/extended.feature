Feature: Extended checks
  What the plan does not ask, and an attacker, the data or the time of day will.

  Background:
    Given the candidate runs

  @extended @item-X.1
  Scenario: Identity headers sent by a client are not believed
    Given the plain user has a session
    And the log from here on
    When someone without a session claims in identity headers to be the admin, or a stranger
    Then each claim is refused or sent to the login, and none reaches the upstream
    When the session claims in identity headers to be the admin, or a stranger
    Then the session stays who it is: no admin right, tracked as itself, the upstream told nothing else
    And the admin's token stays the admin's under such a claim
    And nobody is tracked under a claimed address
    And whether the internal port believes such a claim is known
    And every sense of the run shows what is there

  @extended @item-X.2
  Scenario: Forged tokens are refused
    Given the admin has a token "verify-guard" for 1 days
    And the genuine token works
    When the model is asked with forged tokens of every kind
    And the model is asked with tokens that are not in force
    Then each is refused with 401 or 403, and none reaches the upstream
    And beside a forged token the genuine one never makes the forged one's user known
    And what the gateway does with unusual tokens of its own is noted
    And the genuine token still works
    And every sense of the run shows what is there

  @extended @item-X.3
  Scenario: A ban reaches every token of the user
    Given the test user's token is let in on every location of the model's API
    When the admin bans the test user, and a further token of the user is minted
    Then both tokens are refused on every location from the next request on
    But the admin's token is let in on every location meanwhile
    When the admin lifts the test user's ban
    Then both tokens are let in again on every location
    And every sense of the run shows what is there

  @extended @item-X.4
  Scenario: Odd addresses are kept byte for byte
    Given users with odd addresses, and their neighbours, have tokens and sessions
    Then each is tracked under exactly that address
    And each is banned and unbanned under exactly that address, and no neighbour is touched
    And nothing of them stays

  @extended @item-X.5
  Scenario: The tracking endpoint is not reachable from outside
    Given the admin has a session
    And the log from here on
    When outsiders call the tracking endpoint in every way they know
    Then no call without a session is answered with 200
    And none of the strangers becomes active
    But the gateway's own call in the context "Default" does make its user active

  @extended @item-X.9
  Scenario: A deep link survives the login
    Given a fresh browser
    When it asks for a deep link in the context "Default"
    And it submits the form as the plain user with the right password
    Then it comes back to exactly the deep link
    And the upstream received exactly the deep link

  @extended @item-X.18 @browser
  Scenario: A second tab shares the session, and its end
    Given the admin has a session of its own
    And the session sees the admin page
    When a second tab of the same window asks for the admin page
    Then the second tab shows the admin page, without a login
    When the session signs out
    Then the second tab, asked for the admin page again, shows the login form

  @extended @item-X.19 @browser
  Scenario: The back button after a logout shows nothing of the site
    Given the admin has a session of its own
    And the session sees the admin page
    When the session signs out from there, and presses the back button
    Then nothing of the admin page is shown

  @extended @item-X.10
  Scenario: No link to the site ends at another one
    Then no way through the login ends at another site
    But the same way with a page of the site ends there
    And no sign-out ends at another site
    And asked as another host the site sends nobody there

  @extended @item-X.11
  Scenario: Only an admin can do what only an admin may
    Given the admin has a token "verify-admins-only" for 1 days
    And the tokens and the bans are known
    When the plain user, and somebody without a session, try everything that only an admin may do
    Then each attempt is refused, and none reaches the upstream
    And the tokens and the bans are as before
    But the admin can do all of it
    And every sense of the run shows what is there

  @extended @item-X.12
  Scenario: Nobody outside writes a line of the log
    Given the admin has a session
    And the log from here on
    And a genuine tracking pair of the session in the context "Default" is read
    When outsiders write such a pair for invented addresses wherever they can
    Then no line of the log begins with what they wrote
    And no tracking line of an invented address is read
    And every sense of the run shows what is there

  @extended @item-X.8
  Scenario: A streamed answer arrives piece by piece
    Given the admin has a token "test-token-v11.1" for 30 days
    When the token asks for a streamed answer, whose pieces the upstream holds back
    Then the first piece arrives before the upstream sends the second
    And all but the last arrive before the upstream sends the last
    And the stream comes to its end, every piece in order

  @extended @item-X.14 @slow
  Scenario: Large and slow requests are served, and those beyond every limit refused
    Given the admin has a token "test-token-v11.1" for 30 days
    When requests come that are as large and as slow as users' are
    Then each of them is served
    When requests come that are beyond every limit
    Then each of them is refused with 400, 413, 414 or 431, and the next request is served

  @extended @item-X.15 @slow
  Scenario: A crowd is served, and nobody is taken for somebody else
    Given the admin has a session
    And a second user has a session
    When the two of them make 200 requests at once, mixed over all contexts
    Then every request is served, and none with 5xx
    And each has exactly one tracking pair, of its own user in its own context

  @extended @item-X.16 @slow
  Scenario: A reload loses no request
    Given the admin has a token "test-token-v11.1" for 30 days
    When the gateway is reloaded under 100 requests, with a streamed answer held open
    Then every request is answered as it is without a reload
    And the streamed answer comes to its end, though its worker is an old one
    And new workers of the same master answer
    And tracking works as before

  @extended @item-X.6
  Scenario: Without Redis nobody is let in, and with it all are served again
    Given the admin has a token "test-token-v11.1" for 30 days
    When Redis is down for a while
    Then the session, the token and the admin API are refused meanwhile
    And all of them are served again, by a gateway that was not restarted
    And every sense of the run shows what is there

  @extended @item-X.7
  Scenario: Without the upstream users are told so, and with it all are served again
    Given the admin has a token "test-token-v11.1" for 30 days
    When the upstream is down for a while
    Then each is told so in JSON in time, and none is passed off as served
    And all of them are served again, by a gateway that was not restarted
    And every sense of the run shows what is there

  @extended @item-X.13
  Scenario: No log holds a secret
    Given the admin has a session
    When tokens and a session come that are good, worthless, and in the wrong place
    Then no log of the run holds a secret
    But a mark in the same logs is found by the same search

  @extended @item-X.17
  Scenario: The log has no error that the run did not cause
    Then the gateway's log has nothing at error or above that the run itself did not cause
    But an error that is written to it is found by the same search
