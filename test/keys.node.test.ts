import { memoryKeys } from "../worker/keys/memory.ts";
import { testKeyForm, testKeyStore } from "./support/key-store-suite.ts";

testKeyStore("in memory", async () => memoryKeys());
testKeyForm();
