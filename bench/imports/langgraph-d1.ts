export { Annotation, END, START, StateGraph } from "@langchain/langgraph";
export { CloudflareD1Saver } from "langgraph-checkpoint-cloudflare-d1";
