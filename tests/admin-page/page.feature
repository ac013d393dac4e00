Feature: The reference gateway's admin page
  Tokens and bans are managed on the page itself, in both of its languages.

  @phase-1 @item-1.1
  Scenario: Tokens are made, listed, shown and revoked
    Given the candidate runs
    And the admin has a session of its own
    When the session opens "/token-session-manager"
    And the session fills "#language" with "en"
    Then the page shows "Active users"
    And "#tokens" of the page shows "None"
    When the session fills "#generate [name=token_name]" with "made <b>in</b> a browser"
    And the session clicks on "#generate button"
    Then "#details" of the page shows "The new token. It is shown only now."
    And "#details" of the page shows "Token ID:"
    When the session clicks on "#close"
    Then "#tokens" of the page shows "made <b>in</b> a browser"
    And "#tokens tr:first-child" of the page shows "valid"
    When the session clicks on "#tokens button:nth-of-type(1)"
    Then "#details" of the page shows "claude-sonnet-4-20250514"
    When the session clicks on "#close"
    And the session clicks on "#tokens button:nth-of-type(2)"
    Then "#message" of the page shows "Revoked: made <b>in</b> a browser"
    And "#tokens tr:first-child" of the page shows "revoked"

  @phase-1 @item-1.2
  Scenario: The same in Japanese
    Given the candidate runs
    And the admin has a session of its own
    When the session opens "/token-session-manager"
    And the session fills "#language" with "ja"
    Then the page shows "アクティブユーザー"
    When the session fills "#generate [name=token_name]" with "日本語の名前"
    And the session clicks on "#generate button"
    Then "#details" of the page shows "新しいトークンです。表示されるのは今だけです。"
    When the session clicks on "#close"
    Then "#tokens" of the page shows "日本語の名前"
    And "#tokens tr:first-child" of the page shows "有効"
    # The language is kept.
    When the session opens "/token-session-manager"
    Then the page shows "BAN済みユーザー"

  @phase-1 @item-1.3
  Scenario: Users are listed, banned and unbanned
    Given the candidate runs
    And the test user has a session of its own
    And the admin has a session of its own
    When the session opens "/token-session-manager"
    And the session fills "#language" with "en"
    Then "#users" of the page shows "admin+test@example.com"
    And "#bans" of the page shows "None"
    When the session fills "#ban [name=email]" with "admin+test@example.com"
    And the session fills "#ban [name=days]" with "3"
    And the session clicks on "#ban button"
    Then "#message" of the page shows "Banned: admin+test@example.com"
    And "#bans" of the page shows "admin+test@example.com"
    When the session clicks on "#bans button"
    Then "#message" of the page shows "Ban lifted: admin+test@example.com"
    And "#bans" of the page shows "None"

  @phase-1 @item-1.4
  Scenario: What is not there fails
    Given the candidate runs
    And the admin has a session of its own
    When the session opens "/token-session-manager"
    Then "#tokens" of the page shows "a token that nobody made"
