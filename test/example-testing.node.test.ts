import "../examples/testing/reminder.test.ts";
