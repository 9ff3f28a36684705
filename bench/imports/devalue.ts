export { parse, stringify } from "devalue";
