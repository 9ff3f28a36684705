import { memoryKeys } from "../../worker/http/auth/memory-keys.ts";
import { testKeyForm, testKeyStore } from "../support/key-store-suite.ts";

testKeyStore("in memory", async () => memoryKeys());
testKeyForm();
