// A chat with a list of threads, kept by threadkeep. Open it as http://localhost:5173/#server=http://127.0.0.1:8000&token=…
import {
  ActionBarPrimitive as Action, AssistantCloud, AssistantRuntimeProvider, BranchPickerPrimitive as Branch,
  ComposerPrimitive as Composer, MessagePrimitive, ThreadListItemPrimitive as Item, ThreadListPrimitive, ThreadPrimitive,
} from "@assistant-ui/react";
import { AssistantChatTransport, useChatRuntime } from "@assistant-ui/react-ai-sdk";
import { createRoot } from "react-dom/client";

const given = new URLSearchParams(location.hash.slice(1));
const [server, token] = [given.get("server"), given.get("token")];
const cloud = new AssistantCloud({ baseUrl: `${server}/assistant-ui`, authToken: async () => token, telemetry: false });
const transport = new AssistantChatTransport({ api: `${server}/ai-sdk/chat`, headers: { Authorization: `Bearer ${token}` } });

const Thread = () => <Item.Root><Item.Trigger><Item.Title fallback="New chat" /></Item.Trigger> <Item.Archive>Archive</Item.Archive></Item.Root>;
const Branches = () => <Branch.Root hideWhenSingleBranch><Branch.Previous>‹</Branch.Previous> <Branch.Number />/<Branch.Count /> <Branch.Next>›</Branch.Next></Branch.Root>;
const User = () => <MessagePrimitive.Root data-role="user"><b>You: </b><MessagePrimitive.Parts /> <Action.Root><Action.Edit>Edit</Action.Edit></Action.Root><Branches /></MessagePrimitive.Root>;
const Edit = () => <Composer.Root><Composer.Input /><Composer.Send>Send</Composer.Send><Composer.Cancel>Cancel</Composer.Cancel></Composer.Root>;
const Answer = () => <MessagePrimitive.Root data-role="assistant"><b>Answer: </b><MessagePrimitive.Parts /> <Action.Root><Action.Reload>Again</Action.Reload></Action.Root><Branches /></MessagePrimitive.Root>;

function Chat() {
  const runtime = useChatRuntime({ cloud, transport });
  return (
    <AssistantRuntimeProvider runtime={runtime}>
      <ThreadListPrimitive.Root><ThreadListPrimitive.New>New thread</ThreadListPrimitive.New><ThreadListPrimitive.Items components={{ ThreadListItem: Thread }} /></ThreadListPrimitive.Root>
      <ThreadPrimitive.Root>
        <ThreadPrimitive.Messages components={{ UserMessage: User, AssistantMessage: Answer, UserEditComposer: Edit }} />
        <Composer.Root><Composer.Input placeholder="Ask something" /><Composer.Send>Send</Composer.Send></Composer.Root>
      </ThreadPrimitive.Root>
    </AssistantRuntimeProvider>
  );
}

createRoot(document.getElementById("root")).render(<Chat />);
