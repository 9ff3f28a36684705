import { memoryHome } from "../support/http-memory-home.ts";
import { testHttp } from "./contract/suite.ts";

testHttp(memoryHome());
