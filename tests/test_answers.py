"""Answers: extraction, equivalence by stated rules, canonical forms and vote classes."""

from __future__ import annotations

import contextlib
import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ttstudy.answers import TimedOut, canonical, cleaning, equivalent, vote_classes, wording

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("TTSTUDY_SHARED", ROOT.parent / "shared"))
needs_shared = pytest.mark.skipif(
    not (SHARED / "grader").is_dir(), reason="the shared test material is not here"
)

SAME = r"""
33\frac{1}{3}\% ~ \frac13
0.1\overline{6} ~ 1/6
-1\frac12 ~ -1.5
3 1/2 ~ 3.5
\frac{3}{-4} ~ -0.75
1{,}000{,}000 ~ 10^6
1 000 000 ~ 1000000
11,\! 111,\! 111 ~ 11111111
12\,345 ~ 12345
$1,234.50 ~ 1234.5 dollars
\$5 ~ 500\text{ cents}
\$10\text{ million} ~ 10000000
60 mph ~ 60 miles per hour
100 ~ 100\text{ sq. ft.}
\text{(B)} ~ B) 12
\text{odd} ~ odd
\text{no solution} ~ No solutions
4:30\text{ p.m.} ~ 4:30 PM
(x,y)=(2,3) ~ \left( 2, \frac62 \right)
(-\infty,1)\cup(1,\infty) ~ x\neq 1
[-1,0)\cup(0,1] ~ [-1,1]\setminus\{0\}
(1,2)\cup[2,3) ~ (1,3)
(0,1)\cup(\sqrt2,2) ~ (\sqrt{2},2)\cup(0,1)
2x+3 > 7 ~ x > 2
-2x > 4 ~ x < -2
|x-1|<2 ~ (-1,3)
(-\infty,\infty) ~ \text{all real numbers}
\pm\sqrt{2} ~ \sqrt2,-\sqrt2
\frac{-1\pm\sqrt5}{2} ~ \frac{-1+\sqrt5}{2},\frac{-1-\sqrt5}{2}
\sqrt{3+2\sqrt2} ~ 1+\sqrt2
\sqrt[3]{-8} ~ -2
\log_2 3 ~ \frac{\ln 3}{\ln 2}
\sin 30^\circ ~ 1/2
\frac{x^2-1}{x-1} ~ x+1
\sec^2 x ~ 1+\tan^2 x
|x| ~ \sqrt{x^2}
n! ~ n\cdot (n-1)!
4^n ~ 2^{2n}
x^2+y^2=4 ~ y^2+x^2-4=0
e^{i\pi/3} ~ \frac12+\frac{\sqrt3}{2}i
2\begin{pmatrix}1\\2\end{pmatrix} ~ \langle 2,4\rangle
1A_{16} ~ 1a_{16}
101_2 ~ 101 \text{ base } 2
3:2 ~ 6 : 4
2^{100000} ~ 4^{50000}
\text{Alice, Bob} ~ \text{Bob and Alice}
(1,2),(3,4) ~ (3,4) \text{ and } (1,2)
a=1,b=2 ~ (a,b)=(1,2)
\sum_{k=1}^{10} k ~ 55
\lfloor 3.7 \rfloor ~ 3
**7** ~ \(7\)
0.333... ~ \frac13
0.8333\ldots ~ \frac56
0.\dot{1}4285\dot{7} ~ \frac17
0.(3) ~ \frac13
66\frac{2}{3}\% ~ \frac23
4.5\times10^{-1} ~ \frac{9}{20}
3.2\cdot 10^{-4} ~ 3.2e-4
\overline{321}_5 ~ 321_{\text{five}}
\text{FF}_{16} ~ ff_{16}
7.5\ \text{m/s} ~ 7.5 m/s
9.8\text{ m/s}^2 ~ 9.8
5\text{ m} ~ 5m
5\text{ ft }6\text{ in} ~ 66\text{ inches}
1\text{ day} ~ 24\text{ hours}
\text{5 km} ~ 5000\text{ meters}
€40 ~ 40\text{ euros}
x^2<4 ~ (-2,2)
x^2-2x-1\ge0 ~ (-\infty,1-\sqrt2]\cup[1+\sqrt2,\infty)
x^3-x>0 ~ (-1,0)\cup(1,\infty)
(x-1)^2\le 0 ~ \{1\}
x^2+1>0 ~ \mathbb{R}
\mathbb{R}-\{0\} ~ x\ne 0
\{x \mid 0<x\le1\} ~ (0,1]
(x, y) = (1,2) \text{ and } (3,4) ~ (3,4),(1,2)
(a,b)=(3,-2) ~ a=3, b=-2
a_n = 2n+1 ~ 2n+1
f^{-1}(x)=\frac{x-1}{2} ~ \frac{x-1}{2}
y-2=3(x-1) ~ y=3x-1
\frac{x^2}{4}+\frac{y^2}{9}=1 ~ 9x^2+4y^2=36
{6 \choose 2} ~ _6C_2
\begin{vmatrix}1&2\\3&4\end{vmatrix} ~ -2
\left[\begin{array}{cc}1&2\\3&4\end{array}\right] ~ \begin{pmatrix}1&2\\3&4\end{pmatrix}
3\mathbf{i}+4\mathbf{j} ~ 4\mathbf j+3\mathbf i
\text{one hundred and five} ~ 105
two-thirds ~ \frac23
\text{third} ~ 3^{\text{rd}}
5 March 2020 ~ \text{March 5, 2020}
9:00\text{ a.m.} ~ 9 AM
\text{Option B} ~ (B)
2\text{ to }3 ~ 4:6
\operatorname{cis}(90^\circ) ~ i
\text{A and C} ~ C, A
x\neq -1,2 ~ x \ne -1, x\ne 2
\frac{n!}{(n-1)!} ~ n
\log_4 9 ~ \log_2 3
3.0\times 10^8\text{ m/s} ~ 300000000
\text{The answer is } 12 ~ 12
26000 ~ 26,000\text{ votes}
\frac{20,000}{\pi} ~ \frac{20000}{\pi}
\begin{pmatrix}1\\[4pt]2\end{pmatrix} ~ \begin{pmatrix}1\\2\end{pmatrix}
\left[\begin{matrix}1&2\\3&4\end{matrix}\right] ~ \begin{pmatrix}1&2\\3&4\end{pmatrix}
90^\circ ~ \angle ABC = 90
x=5\text{ cm} ~ x=5
m\angle ABC = 90^\circ ~ \angle ABC = 90^\circ
f(-2)+f(1)=3 ~ 3
\overline{AB}=5 ~ AB=5
\frac{dy}{dx}=2x ~ 2x
\text{Area: }12\pi ~ 12\pi
x=y=z=0 ~ (0,0,0)
0<x<9, x\ne 3 ~ (0,3)\cup(3,9)
x>0, x<5 ~ (0,5)
x<-\sqrt2, x>\sqrt2 ~ x^2>2
52_{(8)} ~ 52_8
USD 32,348 ~ \$32,348
5.4\,\text{¢} ~ 5.4\text{ cents}
25\,\frac{\text{miles}}{\text{hour}} ~ 25\text{ mph}
n\equiv 1\pmod 4 ~ n\equiv 1 \pmod{4}
\text{two lines} ~ \text{2 lines}
\text{Graph C} ~ \text{(C)}
\text{(A), (B), and (C)} ~ (C), (A), (B)
7\checkmark\checkmark ~ 7
\text{all }n\ge3 ~ n\ge3
\text{about }12.5 ~ 12.5
[ABC]=12 ~ 12
5 \quad\square ~ 5
\text{4 or more} ~ 4\text{ or more}
\frac{AB}{CD}=\frac23 ~ \frac23
P(X>2)=0.3 ~ 0.3
\text{lcm}(4,6)=12 ~ 12
N \bmod 7 = 3 ~ 3
x_{1,2}=1\pm\sqrt2 ~ 1\pm\sqrt2
2\text{ hours and }30\text{ minutes} ~ 150\text{ minutes}
12\text{ cm and }13\text{ cm} ~ 12, 13
\{2k : k\in\mathbb{Z}\} ~ \{2k \mid k \in \mathbb{Z}\}
\left< 3,4 \right> ~ \langle 3,4\rangle
1\text{ out of }6 ~ \frac16
x=3,y=2 ~ 3,2
y=2,x=3 ~ x=3,y=2
\angle A = 30, \angle B = 60 ~ \angle A = 30^\circ, \angle B=60^\circ
\varnothing ~ \text{the empty set}
\begin{cases} x = \frac12 \\ y = -3 \end{cases} ~ \left(\frac12,-3\right)
\left\{ \begin{aligned} a &= 1 \\ b &= 2 \\ c &= 3 \end{aligned} \right. ~ (1,2,3)
\begin{array}{l} x=1 \\ y=2 \end{array} ~ x=1,y=2
\begin{pmatrix} 1 & 2 & 3 \end{pmatrix}^T ~ \begin{pmatrix}1\\2\\3\end{pmatrix}
(2, -1)^{\mathsf{T}} ~ \begin{bmatrix}2\\-1\end{bmatrix}
[0, 5[ ~ 0 \le x < 5
\left]0,1\right[ ~ (0,1)
\mathbb{R}^{+} ~ x>0
\mathbb{R}_+ ~ (0,\infty)
\mathbb{R}\setminus\{0\} ~ (-\infty,0)\cup(0,\infty)
\mathbb R \backslash \{1,2\} ~ x \ne 1, 2
{}_{5}C_{2} ~ 10
C(10,3) ~ 120
\binom{n}{2} ~ \frac{n(n-1)}{2}
（３，４） ~ (3,4)
ｘ＝５ ~ x=5
50％ ~ 50\%
2³ ~ 8
x₁=1, x₂=2 ~ 1,2
10^{−3} ~ 0.001
3.5米 ~ 3.5
20岁 ~ 20
100元 ~ 100
5或7 ~ 5,7
3개 ~ 3
\frac{\pi}{2}+2k\pi, k\in\mathbb{Z} ~ \frac{\pi}{2}+2k\pi
x = 2n\pi \text{ where } n \in \mathbb{Z} ~ 2n\pi
\frac{(-1)^n+1}{2} ~ \cos^2\left(\frac{n\pi}{2}\right)
e^{2\pi i n} ~ 1
\lceil x \rceil ~ -\lfloor -x\rfloor
\text{one dozen} ~ 12
2\text{ dozen} ~ 24
half a dozen ~ 6
3\text{ thousand} ~ 3000
1.5\text{ million dollars} ~ \$1{,}500{,}000
7\text{ tenths} ~ 0.7
3\text{ hundredths} ~ \frac{3}{100}
12\text{ cookies} ~ 12
48\text{ people} ~ 48
20\text{ ways} ~ 20
3\text{ solutions} ~ 3
6\text{ sq ft} ~ 6\text{ ft}^2
5\text{ mi/h} ~ 5\text{ mph}
72\text{ beats per minute} ~ 72
8\text{ units}^2 ~ 8
3\text{ m} ~ 300\text{ cm}
1\text{ L} ~ 1000\text{ mL}
2.5\text{ kg} ~ 2500\text{ g}
p=3,q=5 ~ (3,5)
x=1,\; y=2,\; z=3 ~ (1,2,3)
(x,y) = (4, -2) ~ x=4, y=-2
\{(1,2),(3,4)\} ~ \{(3,4),(1,2)\}
\{a,b\} ~ \{b, a\}
23\pmod{12} ~ 11\pmod{12}
-1 \pmod 5 ~ 4 \pmod 5
n=5k-1 ~ n\equiv 4\pmod 5
x \equiv 2 \mod 7 ~ 2 \pmod 7
3:15 ~ 3:15
15:00 ~ 15:00
4 : 6 ~ 2 : 3
1:2:3 ~ 2:4:6
\text{ABC} ~ ABC
AC ~ CA
|{-x}| ~ |x|
\sqrt{(a-b)^2} ~ |a-b|
\text{C) 12} ~ C
\text{(C) } 12 ~ C
\text{C. None of the above} ~ C
\text{no real solutions} ~ \text{No real solution}
\text{infinite} ~ \text{Infinite}
\text{Monday} ~ monday
\frac{1}{2}, \frac{1}{3} ~ \frac13,\frac12
[1,2]\cup[2,3] ~ [1,3]
x<1 \text{ or } x>2 ~ (-\infty,1)\cup(2,\infty)
\{x : -1<x<1\} ~ |x|<1
\ln 8 ~ 3\ln 2
\tan 45^\circ ~ 1
0.1\overline{3} ~ \frac{2}{15}
2\text{ h }15\text{ min} ~ 135\text{ min}
6'2" ~ 6'2"
y = x^2 - 4x + 3 ~ y=(x-1)(x-3)
x^2+y^2-4x=0 ~ (x-2)^2+y^2=4
2+\sqrt{3} ~ \frac{1}{2-\sqrt3}
\begin{cases} x=1 \\ y=2 \end{cases} ~ (1,2)
\left\{\begin{array}{l} x=3 \\ y=-1 \end{array}\right. ~ x=3, y=-1
\begin{align*} a &= 4 \\ b &= 5 \end{align*} ~ a=4, b=5
(3,5)^T ~ \begin{pmatrix}3\\5\end{pmatrix}
[1,2,3]^{\top} ~ \begin{bmatrix}1\\2\\3\end{bmatrix}
(b) 12 ~ 12
\text{(a) }x+1 ~ x+1
\lceil n/2\rceil ~ \left\lceil\frac{n}{2}\right\rceil
\mathbb R^+ ~ (0,\infty)
\mathbb{R}_{\ge 0} ~ [0,\infty)
\mathbb{R}^- ~ (-\infty,0)
]0,1] ~ (0,1]
[0,1[ ~ [0,1)
]-\infty,2[ ~ x<2
]-\infty,1[\cup]2,\infty[ ~ (-\infty,1)\cup(2,\infty)
C_{12}^{4} ~ 495
C^2_5 ~ 10
１２３ ~ 123
－５ ~ -5
２．５ ~ 2.5
10⁻⁴ ~ 0.0001
x²+1 ~ x^2+1
2×10⁵ ~ 200000
15个 ~ 15
8名 ~ 8
12元 ~ 12
3小时 ~ 3 hours
90度 ~ 90^\circ
2或3 ~ 2,3
2和3 ~ 2, 3
(-1)^{2k} ~ 1
\sin(n\pi) ~ 0
\frac{1+(-1)^n}{2} ~ \frac{1+\cos(n\pi)}{2}
5\text{ dozen eggs} ~ 60
3\text{ tenths} ~ 0.3
7\text{ eighths} ~ \frac78
4\text{ score} ~ 80
2\text{ million people} ~ 2000000
12\text{ marbles} ~ 12
15\text{ different ways} ~ 15
6\text{ distinct integers} ~ 6
24\text{ possible outcomes} ~ 24
y=3,x=2 ~ (2,3)
m=4, n=1 ~ n=1, m=4
a=3, b=2 ~ (3,2)
\{\{1\},\{2\}\} ~ \{\{2\},\{1\}\}
17 \pmod{5} ~ 2\pmod 5
x\equiv 7\pmod{4} ~ x \equiv 3 \pmod 4
n = 4k + 3 ~ n\equiv 3 \pmod{4}
((3,4)) ~ (3,4)
\{x > 2\} ~ (2,\infty)
12:30 ~ 12:30
3:6 ~ 1:2
\text{A: yes} ~ A
D: 15 cm ~ D
\text{There are no solutions} ~ \text{no solution}
45^\circ 30' ~ 45.5^\circ
5\text{ km}\cdot\text{h}^{-1} ~ 5\text{ km/h}
\sqrt{2}\approx 1.414 ~ \sqrt2
8 \text{ m/s}^2 ~ 8
\Large 7 ~ 7
\text{HK\$}50 ~ 50
\$3\text{ million} ~ 3000000
∅ ~ \emptyset
√2/2 ~ \frac{\sqrt2}{2}
∛8 ~ 2
BC ~ CB
PQRS ~ \text{PQRS}
\triangle ABC ~ \triangle ABC
1/2 + 1/3 ~ 5/6
x=2 \text{ and } y=3 ~ (2,3)
t=2\text{ s} ~ 2
x = 3 \text{ or } -3 ~ \pm 3
30\text{ cm}^3 ~ 30
5\text{ per cent} ~ 5\%
3\text{ pairs of socks} ~ 6
9\text{ fourths} ~ 2.25
n(n+1)/2 ~ \binom{n+1}{2}
2^n\cdot 2 ~ 2^{n+1}
|x-y| ~ |y-x|
\sqrt{x^2} ~ |x|
\ln(x^2) ~ 2\ln|x|
(x+1)(x-1)=0 ~ x^2-1=0
\{1, 1, 2\} ~ \{2,1\}
x\in[0,1] ~ 0\le x\le 1
\text{one-half} ~ 0.5
-\frac{1}{2} ~ \frac{-1}{2}
\text{3rd} ~ 3
2024\text{-}05 ~ 2024-05
½ ~ 0.5
\sum_{k=1}^{n} k ~ \frac{n(n+1)}{2}
\color{blue}{9} ~ 9
""".strip().splitlines()
DIFFERENT = r"""
9 ~ 9\%
50 ~ 0.5
204 ~ 20400
32,348 ~ 32349
11,111,111,100 ~ 11,111,111,101
1/3 ~ 0.333333333333
2\frac{3}{4} ~ \frac{6}{4}
\frac{1}{2004!} ~ \frac{1}{2006!}
1\times 10^{-20} ~ 2\times 10^{-20}
(1+x+y+z+w)^{60} ~ (1+x+y+z+w)^{59}
12\text{ cm} ~ 12\text{ m}
25 \text{ apples} ~ 25 \text{ pears}
\text{(B)} ~ \text{(A), (B)}
\text{east} ~ \text{west}
\text{east} ~ \text{}
(2,3) ~ [2,3]
(2,3) ~ \{2,3\}
[2,3) ~ 2<x<3
2 ~ 2 or 3
\pm 3 ~ 3
\sin 30^\circ ~ \sin 30
\sqrt{x^2} ~ x
2x ~ 2X
x_1 ~ x_2
y=5 ~ x=5
3+4i ~ 3-4i
101_2 ~ 5
101_2 ~ 101_3
1,2 ~ 12
1,1,2 ~ 1,2
1 \pm 2 ~ 1 \mp \sqrt2
(a+5)(b+2) ~ (c+5)(b+2)
\cot x ~ \cot(2x)
2^{n+1} ~ 2^n+1
0.333... ~ 0.333
0.1\dot{6} ~ 0.16
0.\overline{12} ~ 0.1\overline{2}
98765.4 ~ 98765.5
\frac{1}{10000} ~ \frac{1}{10001}
0.07 ~ 7
\frac{355}{113} ~ \pi
\sqrt{10^{20}+1} ~ 10^{10}
4\frac12\% ~ 4.5
x^2<4 ~ x<2
x^2<2 ~ [-\sqrt2,\sqrt2]
(x-1)^2\ge 0 ~ x\ne1
x^2=4 ~ x=2
\mathbb{R} ~ \mathbb{Z}
\{x : x>0\} ~ x\ge0
\text{all real numbers except }2 ~ \mathbb{R}
3x-2y=6 ~ y=\frac32x+3
(x,y)=(1,2) ~ (x,y)=(2,1)
\log 100 ~ \ln 100
\sin^{-1} x ~ \frac{1}{\sin x}
1011_2 ~ 11
\$5 ~ €5
60\text{ km/h} ~ 60\text{ m/s}
32^\circ\text{F} ~ 32^\circ\text{C}
5\text{ ft }6\text{ in} ~ 56
\text{one hundred and five} ~ 1005
one half ~ 2
\text{first} ~ \text{second}
\text{March 5} ~ \text{May 5}
5 March 2020 ~ March 5, 2021
4:30 ~ 4.5
\text{Room 12} ~ \text{Room 13}
\text{Infinitely many} ~ \infty
\text{A and C} ~ \text{A}
\overline{AB} ~ \overline{AC}
x\neq -1,2 ~ \mathbb{R}
x\neq -1,2 ~ x\ne -1
\frac{n!}{(n-1)!} ~ n-1
(1,234) ~ 1234
x=y=z=0 ~ (0,0,1)
x=3,y=2 ~ 2,3
x=3,y=2 ~ \{2,3\}
f(x)=0 ~ f(x)=0\text{ for all }x<0\text{ and }f(x)=x\text{ for all }x\ge0
x=0 ~ x=y=0
x>0, x<5 ~ \mathbb{R}
x=5\text{ cm} ~ 5\text{ in}
4 ~ 4\text{ or more}
5 ~ 5\text{ squared}
5 ~ 5\text{ is wrong}
5 ~ 5\ldots
56 ~ \$5 \$6
\text{(A)} ~ \text{(A) or (B)}
\text{two lines} ~ \text{three lines}
8:00 ~ 4:00
6:45 ~ 2:15
0:30 ~ 0:15
ABCD ~ ABDC
XY Z ~ ZYX
LMN ~ NML
god ~ dog
is ~ si
5 ~ 5\text{ sevenths}
1 ~ 1\text{ dozen}
2 ~ 2\text{ pairs}
3 ~ 3\text{ score}
10 ~ 10\text{ hundredths}
4 ~ 4\text{ halves}
7 ~ 7\text{ (invalid)}
7 ~ 7\text{ not valid}
7 ~ 7\text{ excluded}
7 ~ 7\text{ rejected}
7 ~ 7\text{ at most}
7 ~ 7\text{ more}
5 ~ 5\text{ over }3
|p| ~ p
|c| ~ c
|N| ~ N
|\theta| ~ \theta
|x|^3 ~ x^3
|x_1| ~ x_1
|pq| ~ pq
\sqrt{p^2q^2} ~ pq
\sqrt{n^2} ~ n
\{3\} ~ \{\{3\}\}
\{1,2\} ~ \{\{1\},\{2\}\}
\{\emptyset\} ~ \emptyset
(2,3) ~ y=2,x=3
(1,2,3) ~ z=1,y=2,x=3
1\text{ K} ~ 1\text{ k}
3\text{ P} ~ 3\text{ p}
5\text{ Mg} ~ 5\text{ mg}
2\text{ MM} ~ 2\text{ mm}
[3,5]^T ~ [5,3]^T
]0,1[ ~ ]0,1]
\lfloor x\rfloor ~ x
\lfloor n\rfloor + \frac12 ~ n
C_{10}^3 ~ 10
(-1)^n ~ -1
2^n ~ n^2
5 \pmod 6 ~ 5
n=2k ~ n=2k+1
3或4 ~ 34
5 ~ 5\text{ per cent}
0.5 ~ 5\%
\text{none} ~ 0
\text{increasing} ~ \text{decreasing}
(0,1)\cup(1,2) ~ (0,2)
\begin{cases}x=1\\y=2\end{cases} ~ (1,3)
x=1\text{ or }y=2 ~ (1,2)
3\text{ apples} ~ 3\text{ oranges}
\$5 ~ 5\text{ cents}
\text{A, C} ~ \text{A, B}
12 ~ 12\text{ or }13
\text{Tuesday} ~ \text{Thursday}
11:00 ~ 1:10
9:30 ~ 9.5
2:30 ~ 5:60
3:15 ~ 1:05
BAC ~ ABC
DEF ~ FED
\text{CAB} ~ BAC
MMX ~ MXM
on ~ no
5 ~ 5\text{ ninths}
7 ~ 7\text{ millionths}
6 ~ 6\text{ gross}
4 ~ 4\text{ score}
5 ~ 5\text{ couples more}
9 ~ 9\text{ (wrong)}
9 ~ 9\text{ or so}
9 ~ 9\text{ minus }x
8 ~ 8\text{ is impossible}
3 ~ 3\text{ fewer}
3 ~ 3\text{ squared}
|w| ~ w
|a| ~ a
|m| ~ m
|xy| ~ xy
|ab| ~ ab
\sqrt{t^2} ~ t
\lfloor n/2\rfloor ~ \lceil n/2\rceil
(-1)^n ~ 1
(-1)^n ~ (-1)^{k}
\{2\} ~ \{\{2\}\}
\{1,2,3\} ~ \{\{1,2,3\}\}
\{\{1,2\}\} ~ \{1,2\}
(3,2) ~ y=3, x=2
(5,1) ~ n=5, m=1
1\text{ G} ~ 1\text{ g}
1\text{ S} ~ 1\text{ s}
2\text{ mL} ~ 2\text{ ML}
5\text{ m} ~ 5\text{ m}^2
]0,1[ ~ [0,1]
]0,1] ~ [0,1[
\mathbb R^+ ~ [0,\infty)
C_{10}^3 ~ \binom{10}{4}
10⁻³ ~ 10^3
3\pmod 7 ~ 3\pmod 5
3\pmod 7 ~ 4\pmod 7
n=3k+1 ~ n \equiv 2\pmod 3
(3,5)^T ~ (3,5,1)
12个 ~ 13
1或2 ~ 1
\text{at most }5 ~ 5
\text{about }5\text{ or }6 ~ 5
\begin{cases} x=1\\ y=2\end{cases} ~ (2,1)
\begin{cases} x & x>0\\ -x & x\le 0\end{cases} ~ x
12 ~ \text{twelve thousand}
3,100 ~ 3.1
3,100 ~ 3
5\text{ quarters} ~ 5
2\text{ dozen} ~ 2
\text{A} ~ \text{B}
A ~ \text{A and B}
x=2 ~ x=2,3
45^\circ ~ 45'
5\text{ zorbs} ~ 5
4\text{ apples short} ~ 4
0 ~ \text{no solution}
\emptyset ~ 0
\{0\} ~ \emptyset
\text{even} ~ \text{neither even}
2x ~ x^2
\log_2 x ~ \log_3 x
e^{x} ~ e^{-x}
x^2 ~ x^{2k}
|\frac{1}{\frac{0}{1}}| ~ \infty
""".strip().splitlines()


@pytest.mark.parametrize("pair", SAME)
def test_two_ways_to_write_one_answer_are_equivalent_in_both_directions(pair):
    one, other = pair.split(" ~ ")
    assert equivalent(one, other) and equivalent(other, one)


@pytest.mark.parametrize("pair", DIFFERENT)
def test_two_different_answers_are_not_equivalent_in_either_direction(pair):
    one, other = pair.split(" ~ ")
    assert not equivalent(one, other) and not equivalent(other, one)


def _examples(cell: str) -> list[list[str]]:
    """Groups of examples in a cell of the table of rules: codes between semicolons."""
    groups = [re.findall(r"`([^`]+)`", group) for group in cell.split(";")]
    return [[code.replace(r"\|", "|") for code in group] for group in groups if len(group) > 1]


def test_the_page_of_rules_says_what_the_code_does():
    page = (ROOT / "workflow/ttstudy/answers/POLICY.md").read_text().split("## Where people disagree")[0]
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in page.splitlines() if line.startswith("|")]
    assert len(rows) > 20
    for kind, _, same, different in rows:
        for one, *others in _examples(same):
            assert all(equivalent(one, other) for other in others), (kind, one, others)
        for one, *others in _examples(different):
            assert not any(equivalent(one, other) for other in others), (kind, one, others)


CASES = [text for pair in SAME + DIFFERENT for text in pair.split(" ~ ")]


def _reading(text: str) -> tuple[str, str | None]:
    cleaned = cleaning.clean(text)
    fixed = wording.fixed(cleaned)
    return cleaned, fixed and fixed.keys.exact


def test_each_rule_of_cleaning_and_of_words_has_a_case_here_that_reads_otherwise_without_it():
    before = {text: _reading(text) for text in CASES}
    idle = []
    for rules in (cleaning.RULES, wording.FIXED):
        for at, (pattern, by) in enumerate(list(rules)):
            del rules[at]
            try:
                if all(_reading(text) == before[text] for text in CASES):
                    idle.append(pattern.pattern)
            finally:
                rules.insert(at, (pattern, by))
    assert not idle


numbers = st.one_of(
    st.integers(-(10**6), 10**6).map(str),
    st.tuples(st.integers(-99, 99), st.integers(1, 99)).map(r"\frac{%d}{%d}".__mod__),
    st.decimals(-999, 999, places=3).map("{:f}".format),
)
leaves = st.one_of(numbers, st.sampled_from(["x", "y", r"\pi", "i", r"\sqrt{2}", r"2\sqrt{3}", r"\theta"]))


def _grow(inner):
    two = st.tuples(inner, inner)
    return st.one_of(
        two.map("%s+%s".__mod__),
        two.map("(%s)(%s)".__mod__),
        two.map(r"\frac{%s}{%s}".__mod__),
        inner.map(r"\sqrt{%s}".__mod__),
        inner.map("-(%s)".__mod__),
        inner.map("(%s)^{2}".__mod__),
        inner.map(r"\sin(%s)".__mod__),
        inner.map(r"|%s|".__mod__),
    )


formulas = st.recursive(leaves, _grow, max_leaves=4)
answers = st.one_of(
    formulas,
    st.tuples(numbers, st.sampled_from([r"\text{ cm}", r"^\circ", r"\%", r"\text{ square inches}"])).map(
        "".join
    ),
    st.tuples(st.sampled_from("(["), numbers, formulas, st.sampled_from(")]")).map("%s%s,%s%s".__mod__),
    st.lists(numbers, min_size=2, max_size=3).map(", ".join),
    st.lists(numbers, max_size=3).map(lambda items: rf"\{{{','.join(items)}\}}"),
    st.tuples(st.sampled_from(["x=", "x<", r"x \ge ", "f(x)=", r"x\in "]), numbers).map("".join),
    st.sampled_from(
        [r"\text{east}", "Evelyn", r"\text{(C)}", "(B) 12", "52_8", r"1 \pm \sqrt{19}", r"\emptyset"]
    ),
)
alphabet = st.sampled_from(
    [
        *"{}()[]^_,.;:=<>+-*/|!%$&0123xyziea '\"",
        r"\frac",
        r"\sqrt",
        r"\text{",
        r"\pm",
        r"\cup",
        r"\left",
        r"\infty",
        r"\overline",
        r"\begin{pmatrix}",
        r"\end{pmatrix}",
        "\\\\",
        " or ",
    ]
)
noise = st.one_of(st.text(max_size=20), st.lists(alphabet, max_size=12).map("".join))
relaxed = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@relaxed
@given(st.one_of(answers, noise))
def test_the_canonical_form_of_a_canonical_form_is_itself(answer):
    assert canonical(canonical(answer)) == canonical(answer)


@relaxed
@given(answers, answers)
def test_equivalence_is_reflexive_and_symmetric_and_keeps_to_canonical_forms(one, other):
    first, second = canonical(one), canonical(other)
    assert equivalent(first, first) and equivalent(one, first)
    assert equivalent(first, second) == equivalent(second, first)


@relaxed
@given(answers)
def test_decoration_changes_nothing(answer):
    spellings = [
        f"{answer}.",
        f"  {answer} ",
        f"${answer}$",
        rf"\boxed{{{answer}}}",
        answer.replace(r"\frac", r"\dfrac"),
    ]
    if "text" not in answer and "(B)" not in answer:
        spellings.append(
            re.sub(r"(?<!\\)[(\[)\]]", lambda m: (r"\left", r"\right")[m[0] in ")]"] + m[0], answer)
        )
    assert {canonical(spelling) for spelling in spellings} == {canonical(answer)}


def test_vote_classes_merge_equal_answers_whatever_their_order():
    answers = [r"\sqrt{12}", "0.5", r"2\sqrt3", r"\frac12", "7", r"\frac{6}{\sqrt3}", "50\\%", "x=7"]
    classes = vote_classes(answers)
    assert classes == [0, 1, 0, 1, 2, 0, 1, 2]
    backwards = vote_classes(answers[::-1])[::-1]
    assert all(
        (a == b) == (c == d)
        for a, c in zip(classes, backwards, strict=True)
        for b, d in zip(classes, backwards, strict=True)
    )


@relaxed
@given(st.lists(answers, min_size=1, max_size=5), st.randoms())
def test_vote_classes_depend_neither_on_order_nor_on_how_often_an_answer_stands(drawn, random):
    mixed = drawn * 2
    random.shuffle(mixed)
    one = dict(zip(drawn, vote_classes(drawn), strict=True))
    other = dict(zip(mixed, vote_classes(mixed), strict=True))
    assert all((one[a] == one[b]) == (other[a] == other[b]) for a in drawn for b in drawn)


def test_an_answer_without_unit_joins_a_class_only_where_one_unit_is_stated():
    assert vote_classes(["15", r"15\text{ cm}"]) == [0, 0]
    assert vote_classes(["15", r"15\text{ cm}", r"15\text{ in}"]) == [0, 1, 2]
    assert vote_classes(["x=90", "90", r"90^\circ"]) == [0, 0, 0]
    assert vote_classes(["x=15", "15", r"15\text{ cm}", r"15\text{ in}"]) == [0, 1, 2, 3]


@needs_shared
def test_clear_shared_pairs_are_judged_right():
    def rows(name: str) -> list[dict]:
        return [json.loads(line) for line in (SHARED / "grader" / name).read_text().splitlines()]

    old = [(row["gold"], row["pred"], row["equivalent"]) for row in rows("pairs.jsonl") if "AMBIG" not in row["note"]]
    new = [(row["gold"], row["answer"], row["expected"]) for row in rows("pairs_2.jsonl") if not row["disputed"]]
    wrong = [pair for pair in old + new if equivalent(*pair[:2]) != pair[2]]
    assert len(old) > 250 and len(new) > 250 and len(wrong) <= 0.02 * len(old + new), wrong
    assert not [pair for pair in wrong if not pair[2]], "no false equality"


@needs_shared
def test_shared_text_that_took_seconds_of_this_process_is_left_to_a_worker():
    for line in (SHARED / "cases/answers/hostile_parent_process.jsonl").read_text().splitlines():
        with contextlib.suppress(TimedOut):
            assert equivalent("3", json.loads(line)["answer"]) is False


@needs_shared
def test_every_benchmark_answer_equals_itself_and_its_spellings():
    rows = [json.loads(line) for line in (SHARED / "data/math500.jsonl").read_text().splitlines()]
    for gold in dict.fromkeys(row["answer"] for row in rows):
        for spelling in (
            gold,
            f"${gold}$",
            f" {gold}.",
            rf"\boxed{{{gold}}}",
            canonical(gold),
            re.sub(r"\\[dt]?frac", r"\\tfrac", gold),
            f"The answer is {gold}.",
        ):
            assert equivalent(gold, spelling) and equivalent(spelling, gold), (gold, spelling)
    assert not any(
        equivalent(r"\text{east}", answer) for answer in ("", "west", r"\text{west}", "north", "e")
    )
    for name in ("aime24", "amc23"):
        for line in (SHARED / f"data/{name}.jsonl").read_text().splitlines():
            gold = str(json.loads(line)["answer"])
            whole = int(float(gold))
            for spelling in (
                str(whole),
                f"{whole:04d}" if whole >= 0 else str(whole),
                f"{whole}.0",
                f"m+n={whole}",
            ):
                assert equivalent(gold, spelling), (gold, spelling)
            assert not equivalent(gold, str(whole + 1)) and not equivalent(gold, str(whole * 100))
