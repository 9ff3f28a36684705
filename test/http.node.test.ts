import { memoryHome } from "./support/http-memory-home.ts";
import { testHttp } from "./support/http-suite.ts";

testHttp(memoryHome());
