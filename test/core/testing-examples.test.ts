import "../../examples/testing/reminder.test.ts";
import "../../examples/testing/order.test.ts";
