import { harness, medium } from "#medium";
import { testStore } from "../support/store-suite.ts";

testStore(medium, harness);
