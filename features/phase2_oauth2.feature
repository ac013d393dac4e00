Feature: Phase 2: OAuth2
  A person logs in at the identity provider, sees the admin page, and logs out.

  Background:
    Given the candidate runs

  @phase-2 @item-2.1
  Scenario: A person logs in
    Given a fresh browser
    When it asks for the home page
    Then it is sent to the identity provider with a complete authorization request
    And it is shown the login form
    When it submits the form as the admin with a wrong password
    Then it has no session
    When it submits the form as the admin with the right password
    Then it comes back through the callback to the home page, which answers 200
    And the session cookie is set, HttpOnly and SameSite
    And Redis holds the session that the cookie's ticket names
    And the identity provider issued one code for the admin and exchanged it once
    And the log has the tracking pair of the admin in the context "Default"
    Given a fresh browser
    When it asks for the admin page
    And it submits the form as the admin with the right password
    Then it comes back through the callback to the admin page, which answers 200
    But without a session the home page is not answered with 200

  @phase-2 @item-2.2
  Scenario: The admin sees the admin page
    Given the admin has a session
    When the session opens the admin page
    Then the answer is the admin page
    But without a session the admin page is not answered with 200

  @phase-2 @item-2.3
  Scenario: A person logs out
    Given the admin has a session of its own
    When the session signs out
    Then the session cookie is cleared and the session is gone from Redis
    And the old cookie is refused
    And the next visit in the same browser shows the login form
