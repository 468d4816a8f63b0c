Feature: The API's contract
  A release breaks people where the API no longer is what its document says: what apps and partners are built by.

  @CT-DOC-1
  Scenario: The API's document is valid and the one of this release
    When the API's document is read in every region
    Then it is a valid OpenAPI document
    And it is the document of this release

  @CT-READ-1
  Scenario: Every read of the API answers as its document says
    When every operation of the API that only reads is asked with valid input
    Then every operation succeeds and answers as the API's document says

  @CT-FULL-1
  Scenario: Every operation of the API answers as its document says
    When every operation of the API is asked with valid and invalid input
    Then every operation succeeds and answers as the API's document says
