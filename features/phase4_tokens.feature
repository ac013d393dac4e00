Feature: Phase 4: token management
  The admin makes, lists, sees and revokes tokens.

  Background:
    Given the candidate runs

  @phase-4 @item-4.1
  Scenario: A token is generated
    Given the admin has a session
    And the number of tokens is known
    When the session generates a token "test-token-v11.1" for 30 days
    Then the answer has the token, its id and its expiry
    And the token is a JWT of the admin, signed with the run's secret, for 30 days from now
    And Redis holds the token
    And the list of tokens grew by exactly 1
    When the session generates a token "verify-7-days" for 7 days
    Then the token is a JWT of the admin, signed with the run's secret, for 7 days from now
    And the list of tokens grew by exactly 2
    And the form of the admin page makes such a token for 14 days, and shows it with its id
    But without a session no token is generated
    And broken JSON is answered with 400 and the list is unchanged

  @phase-4 @item-4.2
  Scenario: Tokens are listed
    Given the admin has a token "test-token-v11.1" for 30 days
    When the session lists the tokens
    Then the list has the token "test-token-v11.1" exactly once, as it was generated and not revoked

  @phase-4 @item-4.3
  Scenario: A token is shown
    Given the admin has a token "test-token-v11.1" for 30 days
    And the admin has a token "verify-7-days" for 7 days
    When the session asks for the token "test-token-v11.1"
    Then the answer tells the token "test-token-v11.1" as it was generated
    When the session asks for the token "verify-7-days"
    Then the answer tells the token "verify-7-days" as it was generated
    But an unknown token is answered with 404

  @phase-4 @item-4.4
  Scenario: A token is revoked
    Given the admin has a token "verify-to-revoke" for 30 days
    And the admin has a token "test-token-v11.1" for 30 days
    And the token "verify-to-revoke" works
    When the session revokes the token "verify-to-revoke"
    Then from the very next request the token "verify-to-revoke" is refused, and at the end of the run still
    And the token "verify-to-revoke" stays revoked as long as it would have held
    But the token "test-token-v11.1" still works
    And the list or its information says that the token "verify-to-revoke" is revoked
