import { objectHome } from "../support/http-object-home.ts";
import { testHttp } from "./contract/suite.ts";

testHttp(objectHome());
