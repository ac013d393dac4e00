Feature: Phase 5: LLM API
  A token calls a model, and the upstream learns whose it is.

  Background:
    Given the candidate runs
    And the admin has a token "test-token-v11.1" for 30 days

  @phase-5 @item-5.1
  Scenario: The messages API answers a token
    Given the upstream's journal from here on
    When the admin's token asks the model with a prompt of its own
    Then the answer is a message made for this prompt
    And the upstream received exactly one request for it
    But without a token the model's API answers 401
    And a token signed with another key is answered with 401

  @phase-5 @item-5.2
  Scenario: The upstream learns the user
    Given the test user has a token
    And the upstream's journal from here on
    When the admin's token asks the model with a prompt of its own
    Then the upstream was told the admin's e-mail, and no other
    And the admin's token did not reach the upstream
    And the upstream was given the gateway's key for users, and no other
    When the test user's token asks the model, claiming to be another user
    Then the upstream was told the test user's e-mail, and no other
    And the test user's token did not reach the upstream
    And the upstream was given the gateway's key for users, and no other
    And the upstream's log names the admin
    And the upstream's log names the test user
