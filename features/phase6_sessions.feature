Feature: Phase 6: sessions and bans
  The admin sees who is active, bans a user at once, and lets the user in again.

  Background:
    Given the candidate runs

  @phase-6 @item-6.1
  Scenario: Active users are listed
    Given the admin has a session
    When the session asks for the home page
    And the session lists the active users
    Then the list has the admin, last seen within the run
    When the admin was last seen a while ago
    And the session asks for the home page
    Then the list has the admin, last seen not before that request
    But the list does not have someone who never came

  @phase-6 @item-6.2
  Scenario: A user is banned at once
    Given the test user's session and token both work
    When the admin bans the test user for 7 days
    Then from the next request on both the session and the token are refused
    And Redis holds the ban under exactly that address for 7 days
    When the admin bans the test user for 3 days
    Then Redis holds the ban under exactly that address for 3 days
    But the admin is not touched

  @phase-6 @item-6.3
  Scenario: A banned user does not come back
    Given the test user is banned
    When the banned user logs in with the right password
    Then no location answers the banned user with 200
    And the banned user does not become active again

  @phase-6 @item-6.4
  Scenario: A ban is lifted
    Given the test user is banned
    When the admin unbans the test user
    Then the ban is gone from Redis
    And the test user logs in again and is let in
    And the test user is tracked again in the context "Default"
    And the test user's token works again
    But a second unban does no harm
