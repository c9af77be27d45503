"""Texts that try to become something else: code, requests, other people's words, a broken page.

All that would run does so by `pwn()`, which the tests define; all that would load does so from evil.example.
"""

HOSTILE = [
    # markup that runs
    "<script>pwn()</script>",
    "<script src=//evil.example/x.js></script>",
    "<img src=x onerror=pwn()>",
    "<img src=https://evil.example/pixel.png>",
    "<svg onload=pwn()>",
    "<svg><script>pwn()</script></svg>",
    "<svg><animate onbegin=pwn() attributeName=x dur=1s>",
    "<iframe srcdoc='<script>parent.pwn()</script>'></iframe>",
    "<iframe src=javascript:pwn()></iframe>",
    "<body onload=pwn()>",
    "<details open ontoggle=pwn()>x</details>",
    "<input autofocus onfocus=pwn()>",
    "<video><source onerror=pwn()></video>",
    "<object data=https://evil.example/o></object>",
    "<embed src=https://evil.example/e>",
    "<link rel=stylesheet href=https://evil.example/s.css>",
    "<style>@import url(https://evil.example/s.css);</style>",
    "<style>*{background:url(https://evil.example/b.png)}</style>",
    "<base href=https://evil.example/>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "<form action=https://evil.example/><button>Send</button></form>",
    "<a href=javascript:pwn()>click</a>",
    "<math><mi xlink:href=javascript:pwn()>x</mi></math>",
    "<template><script>pwn()</script></template>",
    "<noscript><p title='</noscript><img src=x onerror=pwn()>'></noscript>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=x onerror=pwn()&gt;'>",
    "</textarea><script>pwn()</script>",
    "</title><script>pwn()</script>",
    "--><script>pwn()</script><!--",
    '"><script>pwn()</script>',
    "' onmouseover='pwn()' autofocus onfocus='pwn()",
    "<x" + " a=b" * 40 + " onclick=pwn()>",
    "<dialog open>Your session has ended. <input placeholder=password></dialog>",
    "<button popovertarget=toasts>x</button><p id=app name=body>clobbered</p>",
    # Markdown that runs or loads
    "[click](javascript:pwn())",
    "[click](JaVaScRiPt:pwn())",
    "[click](java\tscript:pwn())",
    "[click](&#106;avascript:pwn())",
    "[click](data:text/html,<script>pwn()</script>)",
    "[click](vbscript:pwn())",
    "![picture](https://evil.example/pixel.png)",
    "![picture](javascript:pwn())",
    "![picture](data:image/svg+xml,<svg/onload=pwn()>)",
    "[![in a link](https://evil.example/p.png)](https://evil.example/)",
    "![p][1]\n\n[1]: https://evil.example/ref.png",
    "<https://evil.example/auto> <javascript:pwn()>",
    '[x](https://evil.example/"onmouseover="pwn()")',
    '```"><script>pwn()</script>\ncode\n```',
    "```<img src=x onerror=pwn()>\ncode\n```",
    "| a |\n|:-:|\n| <img src=x onerror=pwn()> |",
    # templates of other programs
    "{{constructor.constructor('pwn()')()}}",
    "${pwn()}",
    "?lit$123456789$ <!--?lit$--> {{lit-123}}",
    "__proto__",
    "%3Cscript%3Epwn()%3C/script%3E",
    # texts that disturb others
    "\u202egnp.exe\u202e evil \u2066isolate never ended",
    "\u200f\u061cמימין לשמאל عربي then left",
    "Z" + "\u0351\u0352\u0353" * 40 + "algo",
    "unbroken" * 24,
    "\ufeff\u200b\u00ad\u2028line\u2029paragraph",
    "> " * 60 + "deep",
    "*" * 190,
    # formulas that run, load, grow without end, or leave their place
    r"\(\href{javascript:pwn()}{click}\) $$\url{javascript:pwn()}$$",
    r"\(\includegraphics[height=1em]{https://evil.example/f.png}\)",
    r"$$\htmlData{x=y}{a}\htmlId{app}{b}\htmlClass{dialog}{c}$$",
    r"\[\htmlStyle{background:url(https://evil.example/s.png)}{a}\]",
    r"\(\text{<img src=x onerror=pwn()>}\) \(\color{red;background:url(https://evil.example/c.png)}x\)",
    '\\(\\text{" style="background:url(https://evil.example/d.png)" onclick="pwn()}\\)',
    r"\(\def\a{\a\a}\a\) and \(\def\b{xxxx}\def\c{\b\b\b\b}\def\d{\c\c\c\c}\def\e{\d\d\d\d}\e\e\e\e\)",
    r"\(\gdef\x{\href{javascript:pwn()}{x}}\) and \(\x\)",
    r"\(\kern-999em\rule{999em}{999em}\raisebox{-99em}{over the others}\)",
    r"$$\fcolorbox{red}{blue}{x}\pmb{x}\boxed{x}\sqrt{x}$$",
    r"\(" + "x^{" * 60,
    r"\(" + "{x^" * 40 + "}" * 40 + r"\)",
    "\\(\\text{\u202egnp.exe}\u202e\\) and after",
    "$" * 150,
    r"\(" * 60,
    '<span data-formula="inline">\\href{javascript:pwn()}{x}</span>',
    # code, tasks and notes
    '```html\n<script>pwn()</script><img src=x onerror=pwn() style="background:url(https://evil.example/h.png)">\n```',
    "```js\n`${pwn()}`; '</code></pre><script>pwn()</script>'\n```",
    "```hasOwnProperty\nx\n```\n\n```__proto__\nx\n```\n\n```toString\nx\n```",
    "- [x] <img src=x onerror=pwn()>\n- [ ] [click](javascript:pwn())",
    "a[^app] b[^__proto__]\n\n[^app]: <script>pwn()</script>\n[^__proto__]: [x](javascript:pwn())",
    "^[<img src=x onerror=pwn()>] and [^toString]\n\n[^toString]: ![p](https://evil.example/n.png)",
    '[^"onclick=pwn()]\n\n[^"onclick=pwn()]: x',
    "[^a]\n\n[^a]: b[^b]\n[^b]: a[^a]",
]

# What stands in the page must be of the page's own making: these tags, no handlers, links to the web or within.
INTRUDERS = """() => {
  const bad = [];
  const mayHaveStyle = (element, style) => element.tagName === "TEXTAREA"
    || (element.closest(".formula") !== null && !/url|fixed|z-index/.test(style));
  const never = "script:not(head > script), iframe, object, embed, base, meta[http-equiv], form[action], video, audio, "
    + "math:not(.formula math), template, style:not(head > style), link:not([href^='web/']), "
    + "svg:not(.icon, .formula svg), .prose [id], .prose [name], "
    + "img:not([src^='web/'][src$='/icon.svg']), "
    + "dialog:not(.dialog)";
  for (const element of document.querySelectorAll(never)) bad.push(element.outerHTML.slice(0, 200));
  for (const element of document.querySelectorAll("*")) {
    for (const { name, value } of element.attributes) {
      if (name.startsWith("on") || name === "srcset" || name === "style" && !mayHaveStyle(element, value)) {
        bad.push(`${element.tagName} ${name}=${value.slice(0, 80)}`);
      }
    }
    if (element.tagName === "A" && !/^(#|https?:|mailto:)/.test(element.getAttribute("href"))) {
      bad.push(element.outerHTML.slice(0, 200));
    }
  }
  if (document.querySelectorAll("#app").length !== 1) bad.push("two apps");
  if (document.documentElement.scrollWidth > innerWidth) bad.push(`wide: ${document.documentElement.scrollWidth}`);
  return bad;
}"""
