Feature: The web application keeps nobody out
  WCAG 2.1, levels A and AA, on every page and in every state that a patient comes to.

  @A11Y-PAGE-1
  Scenario: No page breaks a rule of accessibility
    When every page and state of the web application is examined
    Then axe finds nothing in any frame of it

  @A11Y-KEY-1
  Scenario: An appointment is booked by the keyboard alone
    When an appointment is booked with the new form by the keyboard alone
    Then Tab reaches and shows every control in order, and the dialog gives the focus back

  @A11Y-ZOOM-1
  Scenario: Pages fit into a narrow window and may be enlarged
    When every page and state of the web application is examined
    Then nothing is beyond the edge of 320 px or of a window enlarged four times

  @A11Y-MOTION-1
  Scenario: Pages keep still for people who want less motion
    When every page and state of the web application is examined
    Then nothing moves for longer than the policy allows
